"""The loopback endpoint of the policy tests."""

from __future__ import annotations

from tests.unit.policy.conftest import endpoint

__all__ = ["endpoint"]
