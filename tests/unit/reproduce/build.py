"""A matrix of two arms, and finished runs whose scores are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fairmem.reproduce import Matrix, load_matrix
from tests.unit.eval.build import result

TEXT = """
recipe = "memory_r2_small"
budget = 1000
seeds = [0, 1]
seconds_per_kilotoken = 6.0
overrides = ["log.trace_every=0"]

[[groups]]
name = "credit"
title = "LoGo against GRPO"
asks = "Does it pay?"
baseline = "grpo"
frontier = true

[[groups.arms]]
name = "grpo"
about = "no rerollouts"
overrides = ["credit.rule=grpo", "rollout.local_fraction=0"]

[[groups.arms]]
name = "logo"
about = "the recipe"

[[groups]]
name = "curriculum"
title = "In stages"
asks = "Is it better in stages?"
baseline = "direct"
budget = 2.0

[[groups.arms]]
name = "direct"
about = "at once"

[[groups.arms]]
name = "stages"
about = "4, then 8"
stages = [{ sessions = 4, share = 0.25 }, { sessions = 8, share = 0.75, conversations = 3 }]
"""


def matrix(folder: Path, text: str = TEXT) -> Matrix:
    """The matrix of `text`, from a file."""
    path = folder / "matrix.toml"
    path.write_text(text, encoding="utf-8")
    return load_matrix(path)


def finish(folder: Path, before: float, after: float, steps: Sequence[int] = (600, 600)) -> None:
    """What a finished run leaves: its evaluations, and a step per number of sampled tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    result([[before, before], [before, before]]).save(folder / "eval_before.jsonl")
    result([[after, after], [after, after]]).save(folder / "eval_after.jsonl")
    rows = [
        {"step": at, "sampled_tokens_total": sum(steps[:at]), "waves": 30, "calls": 100}
        for at in range(1, len(steps) + 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "timing.jsonl").write_text(
        "".join(json.dumps({"step": row["step"], "seconds": 6.0}) + "\n" for row in rows)
    )
