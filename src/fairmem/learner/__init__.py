"""The learner: rows with credit in, better weights out. It knows no credit rule and no episode.

    rows.py        what the learner consumes, and the invariants it holds
    batch.py       packing rows so that none sees another, with shared prompts computed once
    forward.py     packed batch -> log-probability of every sampled token
    losses.py      clipped policy gradient, KL to a reference, entropy: pure functions
    optim.py       AdamW, warmup, clipping, float32 masters
    learner.py     one step: passes, mini-batches, micro-batches, metrics
    checkpoint.py  atomic save and load, bit-exact resume, export as a Hugging Face folder
    lora.py        low-rank adapters (extra `lora`)

torch is loaded on first use of a name that needs it; `Row`, `check_rows`, `rows_of` and `LearnerConfig` do not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fairmem.config import LearnerConfig
from fairmem.learner.rows import Row, check_rows, rows_of

if TYPE_CHECKING:
    from fairmem.learner.checkpoint import Restored, export, load_checkpoint, load_latest, save_checkpoint
    from fairmem.learner.learner import Learner
    from fairmem.learner.lora import with_lora

__all__ = [
    "Learner",
    "LearnerConfig",
    "Restored",
    "Row",
    "check_rows",
    "export",
    "load_checkpoint",
    "load_latest",
    "rows_of",
    "save_checkpoint",
    "with_lora",
]

_NEEDS_TORCH = {
    "Learner": "learner",
    "Restored": "checkpoint",
    "export": "checkpoint",
    "load_checkpoint": "checkpoint",
    "load_latest": "checkpoint",
    "save_checkpoint": "checkpoint",
    "with_lora": "lora",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module 'fairmem.learner' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fairmem.learner.{_NEEDS_TORCH[name]}"), name)
