"""A training run in this process, on the bundled model, so small that it takes a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fairmem.config import Recipe, load_recipe

TINY = [
    "memory_r2_small",
    "stages=[{sessions = 2, steps = 1}]",
    "checkpoint.every=0",
    "log.trace_every=1",
    "learner.lr=3e-3",  # so large that every step shows
    "learner.warmup_steps=0",
    "data.conversations_per_step=1",
    "data.test_conversations=0",
    "data.validation_conversations=0",
    "rollout.global_group=3",
    "rollout.local_group=2",
    "rollout.local_fraction=1.0",
    "agents.extractor_max_tokens=32",
    "agents.manager_max_tokens=32",
    "agents.answerer_max_tokens=24",
]


def tiny(*overrides: str) -> Recipe:
    """The recipe, with further overrides."""
    return load_recipe(TINY[0], [*TINY[1:], *overrides])


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
