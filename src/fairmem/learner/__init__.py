"""The learner: rows with credit in, better weights out. It knows no credit rule and no episode.

    rows.py        what the learner consumes, and the invariants it holds
    batch.py       packing rows so that none sees another, with shared prompts computed once
    forward.py     packed batch -> log-probability of every sampled token
    losses.py      clipped policy gradient, KL to a reference, entropy: pure functions
    correction.py  importance weights, where the sampler is not quite the learner
    optim.py       AdamW, warmup, clipping, float32 masters
    reference.py   the frozen model that the KL term compares with
    learner.py     one step: passes, mini-batches, micro-batches (metrics: tally.py); a new start for a stage
    team.py        several learners, and which learns from whose rows
    backbones.py   from a recipe: the models of the roles, and the team that trains them
    serving.py     servers that sample in place of the trained model, and how they come to its weights
    checkpoint.py  atomic save and load (state_folder.py), bit-exact resume, export as a Hugging Face folder
    lora.py        low-rank adapters (extra `lora`)

torch is loaded on first use of a name that needs it; rows (`Row`, `rows_of` ...) and `LearnerConfig` do not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fairmem.config import LearnerConfig
from fairmem.learner.rows import Row, check_rows, fresh_rows, rows_of

if TYPE_CHECKING:
    from fairmem.learner.backbones import Backbones, open_backbones
    from fairmem.learner.checkpoint import (
        Restored,
        Stateful,
        export,
        load_checkpoint,
        load_latest,
        load_weights,
        prune_weights,
        save_checkpoint,
        save_weights,
    )
    from fairmem.learner.learner import Learner
    from fairmem.learner.lora import with_lora
    from fairmem.learner.serving import Serving, open_serving
    from fairmem.learner.team import Team

__all__ = [
    "Backbones",
    "Learner",
    "LearnerConfig",
    "Restored",
    "Row",
    "Serving",
    "Stateful",
    "Team",
    "check_rows",
    "export",
    "fresh_rows",
    "load_checkpoint",
    "load_latest",
    "load_weights",
    "open_backbones",
    "open_serving",
    "prune_weights",
    "rows_of",
    "save_checkpoint",
    "save_weights",
    "with_lora",
]

_NEEDS_TORCH = {
    "Backbones": "backbones",
    "Learner": "learner",
    "Restored": "checkpoint",
    "Serving": "serving",
    "Stateful": "checkpoint",
    "Team": "team",
    "export": "checkpoint",
    "load_checkpoint": "checkpoint",
    "load_latest": "checkpoint",
    "load_weights": "checkpoint",
    "open_backbones": "backbones",
    "open_serving": "serving",
    "prune_weights": "checkpoint",
    "save_checkpoint": "checkpoint",
    "save_weights": "checkpoint",
    "with_lora": "lora",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module 'fairmem.learner' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fairmem.learner.{_NEEDS_TORCH[name]}"), name)
