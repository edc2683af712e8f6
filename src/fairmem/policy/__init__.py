"""Policies: where samples come from. The seam is `Policy`."""

from __future__ import annotations

from fairmem.policy.base import (
    Family,
    Message,
    Policy,
    PolicyStats,
    Prompt,
    Reply,
    Sample,
    SampleRequest,
    StatsLog,
)

__all__ = [
    "Family",
    "Message",
    "Policy",
    "PolicyStats",
    "Prompt",
    "Reply",
    "Sample",
    "SampleRequest",
    "StatsLog",
]
