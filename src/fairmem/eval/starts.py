"""Runs that begin with the same model share its evaluation before training.

The runs of a study begin alike, and greedy answers do not depend on a run's seed. So what the first run found
before training is kept beside the runs, under a digest of all that it rests on, and lent to those that come after it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fairmem import __version__
from fairmem.config import Recipe
from fairmem.errors import CheckpointError
from fairmem.eval.result import EvalResult
from fairmem.eval.runs import BEFORE
from fairmem.policy import weights_digest

_KEPT = ".starts"
_OF_TRAINING = {
    "name", "seed", "sampler", "teacher", "rollout", "reward", "drift", "credit", "learner", "stages", "curriculum",
    "checkpoint", "log",
}  # fmt: skip
"""Sections that say how a model learns, and nothing about the one it begins with or its test."""


def start_file(recipe: Recipe, runs: Path) -> Path | None:
    """Where the evaluation before training under `recipe` is kept, below the folder `runs` of all runs.

    Returns:
        None if it may differ from run to run: sampled answers, or a model that is not in a folder here.
    """
    models = [recipe.model.path, *([recipe.model.frozen] if recipe.model.frozen else []), recipe.answerer.path]
    weights = [weights_digest(model) for model in models]
    data = recipe.data
    files = [path for path in (data.path, data.test_path, *(part.path for part in data.mix)) if path]
    if recipe.eval.temperature > 0 or None in weights or not all(Path(path).is_file() for path in files):
        return None
    settings = recipe.model_dump(mode="json", exclude=_OF_TRAINING)
    for key in ("conversations_per_step", "questions"):  # of training too
        del settings["data"][key]
    read = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in files]
    longest = max(stage.sessions for stage in recipe.stages)
    parts = [__version__, settings, recipe.reward.f1, recipe.reward.score, longest, weights, read]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return runs / _KEPT / f"{digest}.jsonl"


def lend_start(kept: Path | None, folder: Path, seed: int) -> bool:
    """Give the run in `folder` the evaluation at `kept`, if that is there and the run has none; whether it did."""
    if kept is None or not kept.is_file() or (folder / BEFORE).exists():
        return False
    try:
        result = EvalResult.load(kept)
    except CheckpointError:  # damaged: the run makes its own, which is then kept
        return False
    header = result.header.model_copy(update={"seed": seed})
    result.model_copy(update={"header": header}).save(folder / BEFORE)
    return True


def keep_start(kept: Path | None, folder: Path) -> None:
    """Keep the evaluation that the run in `folder` made for runs that begin like it."""
    if kept is not None and (folder / BEFORE).is_file():
        EvalResult.load(folder / BEFORE).save(kept)
