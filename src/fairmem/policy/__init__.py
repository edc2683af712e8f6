"""Policies: where samples come from.

The seam is `Policy`; `open_policy` opens one by name. `HFPolicy` is in `fairmem.policy.hf`, since it needs torch, and
`ServedPolicy`, for servers that take and give token ids, in `fairmem.policy.served`.
"""

from __future__ import annotations

from fairmem.policy.base import (
    ConcurrentPolicy,
    Family,
    Message,
    Policy,
    PolicyStats,
    Prompt,
    Reply,
    Sample,
    SampleRequest,
    TokenPlaces,
)
from fairmem.policy.cassette import CassettePolicy
from fairmem.policy.model_folder import read_about
from fairmem.policy.openai import OpenAIPolicy
from fairmem.policy.registry import POLICIES, folder_of, open_policy, open_ready, weights_digest
from fairmem.policy.render import approximate_tokens
from fairmem.policy.roles import WRITERS, is_pair, of_role, open_writers
from fairmem.policy.scripted import Script, ScriptedPolicy
from fairmem.policy.torch_setup import import_torch

__all__ = [
    "CassettePolicy",
    "ConcurrentPolicy",
    "Family",
    "Message",
    "OpenAIPolicy",
    "POLICIES",
    "Policy",
    "PolicyStats",
    "Prompt",
    "Reply",
    "Sample",
    "SampleRequest",
    "Script",
    "ScriptedPolicy",
    "TokenPlaces",
    "WRITERS",
    "approximate_tokens",
    "folder_of",
    "import_torch",
    "is_pair",
    "of_role",
    "open_policy",
    "open_ready",
    "open_writers",
    "read_about",
    "weights_digest",
]
