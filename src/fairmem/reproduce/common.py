"""One test for arms that are not the same recipe: the same held-out conversations, answerer and score for all.

A run's own evaluations are under its recipe: other conversations for Mem-alpha, exact match for Memory-R1. Where a
group says `test`, every model is evaluated again by `fairmem eval`, with the agents it was trained with, and so is each
model that training began with; the report then goes by these. They can be killed and go on, as any evaluation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from fairmem.config import Recipe
from fairmem.errors import ConfigError, DataError
from fairmem.policy import WRITERS, folder_of, read_about, weights_digest
from fairmem.reproduce.matrix import CommonTest
from fairmem.side_by_side import run_command

EVALUATED = Path("common") / "eval.jsonl"
"""The evaluation on the common test, below a run's folder."""
_ABOUT = "fairmem.json"


def evaluate_common(test: CommonTest, folder: Path, threads: int) -> None:
    """Evaluate the model in `folder`/model on `test`, unless that is done.

    Raises:
        DataError: the evaluation ended without a result; its log is named.
    """
    if (folder / EVALUATED).is_file():
        return
    words = ["eval", "village", "--model", str(folder / "model"), "--answerer", test.answerer, "--score", test.score]
    words += ["--limit", str(test.conversations), "--sessions", str(test.sessions), "--seed", str(test.seed)]
    if test.base_url:
        words += ["--answerer-base-url", test.base_url]
    log = folder / "common.log"
    status = run_command([*words, "--out", str((folder / EVALUATED).parent)], log, threads)
    if status or not (folder / EVALUATED).is_file():
        lines = log.read_text(encoding="utf-8").strip().splitlines() if log.is_file() else []
        raise DataError(f"the common test ended with status {status}: {lines[-1] if lines else 'no output'} ({log})")


def start_folder(recipe: Recipe, test: CommonTest, out: Path) -> Path:
    """Where the models that `recipe` begins with are evaluated; named by their weights, its agents and the test."""
    weights = [weights_digest(model) for model in _start_models(recipe).values()]
    parts = [*weights, recipe.agents.model_dump(mode="json"), test.model_dump(mode="json")]
    return out / f"start-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]}"


def lay_out_start(recipe: Recipe, folder: Path) -> None:
    """Put the start weights of `recipe` in `folder`/model, by links, with its agents noted as those to play it with.

    Where another model plays the role that is not trained, there is one below it per role, as a run leaves them.

    Raises:
        ConfigError: they are not in a folder here.
    """
    for place, spec in _start_models(recipe).items():
        source = folder_of(spec)
        if source is None or not (source / "config.json").is_file():
            raise ConfigError(f"model.path is '{spec}': a common test needs one model, in a folder here")
        about: Mapping[str, object] = {**read_about(source), "agents": recipe.agents.model_dump(mode="json")}
        _link(source, folder / "model" / place, json.dumps(about) + "\n")


def _start_models(recipe: Recipe) -> dict[str, str]:
    """Folder below `model` ("" is itself) -> the model there before training."""
    path, frozen, trained = recipe.model.path, recipe.model.frozen, recipe.model.train
    return {role: path if role == trained else frozen for role in WRITERS} if frozen else {"": path}


def _link(source: Path, model: Path, about: str) -> None:
    model.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        link = model / file.name
        if file.name != _ABOUT and file.is_file() and not link.exists():
            link.symlink_to(file.resolve())
    if not (model / _ABOUT).is_file() or (model / _ABOUT).read_text(encoding="utf-8") != about:
        (model / _ABOUT).write_text(about, encoding="utf-8")  # written once: calls are recorded under its time
