"""The training runs of a matrix: each in a process and a folder of its own, none done twice.

Arms of different groups that are the same recipe share their runs. A folder is named by a digest of the recipe and of
the model it starts from, so runs of another budget or another model stand beside these and are never taken for them.
Runs that an earlier report tells of are finished too (`fairmem.reproduce.recorded`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from fairmem.config import CHECKPOINTS, Recipe, load_recipe
from fairmem.credit import check_rule
from fairmem.errors import ConfigError, DataError
from fairmem.policy import weights_digest
from fairmem.reproduce.common import EVALUATED, evaluate_common, lay_out_start, start_folder
from fairmem.reproduce.matrix import Arm, CommonTest, Group, Matrix, arm_overrides
from fairmem.reproduce.recorded import Recorded
from fairmem.runlog import duration, read_metrics
from fairmem.study import finished, train_seed

ArmKey = tuple[str, str]
"""(group, arm)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training run.

    Attributes:
        recipe: Name or file.
        overrides: Of it.
        seed: Of the run.
        folder: Where it is, or will be.
        arms: The arms that it counts for.
        tokens: Its budget.
        test: What it is tested on, if that is not in its recipe.
        start: Where the model it begins with is tested so.
        settings: Its recipe, without name and seed.
        weights: Digest of the model it begins with.
        row: What an earlier report says of it; None if that has no such run.
    """

    recipe: str
    overrides: tuple[str, ...]
    seed: int
    folder: Path
    arms: tuple[ArmKey, ...]
    tokens: int
    test: CommonTest | None = None
    start: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    row: Mapping[str, Any] | None = None

    @property
    def finished(self) -> bool:
        """Whether it is over, and tested, here or in an earlier report."""
        return self.row is not None or self.here

    @property
    def here(self) -> bool:
        """Whether its folder holds the whole of it."""
        tested = self.test is None or all(path.is_file() for path in self.evaluations)
        return finished(self.folder) and tested

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of its training steps, if it is finished."""
        return seconds_of(self.folder) if self.here else float((self.row or {}).get("seconds") or 0.0)

    @property
    def evaluations(self) -> tuple[Path, Path]:
        """The evaluations before and after training."""
        if self.start is not None:
            return self.start / EVALUATED, self.folder / EVALUATED
        return self.folder / "eval_before.jsonl", self.folder / "eval_after.jsonl"


def plan_runs(
    matrix: Matrix,
    seeds: Sequence[int],
    out: Path,
    budget: int | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> list[Run]:
    """The runs of all arms, the first seed of every arm before the second of any.

    Args:
        matrix: With the arms.
        seeds: Of every arm.
        out: Folder of the runs.
        budget: Sampled tokens per run, where it is not the matrix's.
        earlier: A report (`read_report`) whose runs count as finished; those of other seeds come last.

    Raises:
        ConfigError: an arm is no valid recipe, or its rule lacks something; the arm is named.
    """
    if len(set(seeds)) != len(seeds) or not seeds:
        raise ConfigError(f"--seeds is {','.join(map(str, seeds))}, expected different integers, as in 0,1,2,3,4")
    recorded, planned = Recorded(earlier), dict[str, list[Run]]()
    for group in matrix.groups:
        for arm in group.arms:
            source, overrides = arm.recipe or matrix.recipe, arm_overrides(matrix, group, arm, budget)
            recipe, key = _recipe_of(source, group, arm, overrides), (group.name, arm.name)
            digest, weights = _digest(recipe, group.test), _weights(recipe.model.path)
            if digest in planned:
                planned[digest] = [replace(run, arms=(*run.arms, key)) for run in planned[digest]]
                continue
            start = start_folder(recipe, group.test, out) if group.test is not None else None
            rows = recorded.rows(recipe, weights, group.test)
            tokens = sum(stage.tokens or 0 for stage in recipe.stages)
            planned[digest] = [
                Run(
                    source, overrides, seed, _folder(out, arm, digest, seed), (key,), tokens, group.test, start,
                    _settings(recipe), weights, rows.get(seed),
                )
                for seed in (*seeds, *sorted(set(rows) - set(seeds)))
            ]  # fmt: skip
    return sorted((run for runs in planned.values() for run in runs), key=lambda run: _place(seeds, run.seed))


def _place(seeds: Sequence[int], seed: int) -> int:
    return seeds.index(seed) if seed in seeds else len(seeds) + seed


def _folder(out: Path, arm: Arm, digest: str, seed: int) -> Path:
    """Where a run is; an arm of another group that is the same recipe may have named it."""
    found = sorted(out.glob(f"*-{digest}-s{seed}"))
    return found[0] if found else out / f"{arm.name}-{digest}-s{seed}"


def run_matrix(matrix: Matrix, runs: Sequence[Run], jobs: int, say: Callable[[str], None]) -> dict[Path, str]:
    """Train every run that is not finished, `jobs` at a time; returns folder -> why, of those that failed.

    A run that fails is no reason to stop the others: the report names it.

    Raises:
        ConfigError: `jobs` below 1.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs is {jobs}, expected at least 1")
    failures: dict[Path, str] = {}
    start = Lock()

    def state() -> str:
        done = sum(run.finished for run in runs)
        return f"{len(runs)} runs, {done} finished; about {_left(matrix, runs, jobs)} left"

    def train(run: Run) -> None:
        try:
            _train(run, jobs, start, lambda text: say(f"{_named(run)} {text}"))
        except DataError as error:
            failures[run.folder] = str(error)
            say(f"{_named(run)}: FAILED: {error}")
            return
        # What resuming needs is of no more use, and five to ten times as large as all the rest.
        shutil.rmtree(run.folder / CHECKPOINTS, ignore_errors=True)
        say(state())

    say(state())
    pool = ThreadPoolExecutor(jobs)
    try:
        list(pool.map(train, [run for run in runs if not run.finished]))
    finally:
        pool.shutdown(cancel_futures=True)  # interrupted: what has not begun is left for the next time
    return failures


def _train(run: Run, jobs: int, start: Lock, say: Callable[[str], None]) -> None:
    """Train and test one run; of runs with one start, whoever has the lock evaluates that, and the others wait."""
    train_seed(run.recipe, run.overrides, run.seed, run.folder, jobs, say)
    if run.test is None or run.start is None:
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    say(f"seed {run.seed}: on the common test")
    evaluate_common(run.test, run.folder, threads)
    with start:
        lay_out_start(load_recipe(run.recipe, run.overrides), run.start)
        evaluate_common(run.test, run.start, threads)


def listing(matrix: Matrix, runs: Sequence[Run], jobs: int) -> str:
    """Groups and arms with how many of their runs are finished, and the time the others take together."""
    lines: list[str] = []
    for group in matrix.groups:
        lines += [f"{group.name}: {group.title} (baseline {group.baseline})"]
        for arm in group.arms:
            own = [run for run in runs if (group.name, arm.name) in run.arms]
            done, cost = sum(run.finished for run in own), _seconds_per_token(matrix, runs) * own[0].tokens
            state = f"{done}/{len(own)} runs, {own[0].tokens:,} tokens and about {duration(cost)} each"
            lines.append(f"  {arm.name:<24}{state}; {arm.about}")
    shared = sum(len(run.arms) for run in runs) - len(runs)
    done = sum(run.finished for run in runs)
    lines.append(f"{len(runs)} runs ({shared} more are shared by arms), {done} finished")
    lines.append(f"about {_left(matrix, runs, jobs)} left with {jobs} at a time")
    return "\n".join(lines) + "\n"


def seconds_of(folder: Path) -> float:
    """Wall-clock seconds of the training steps of the run in `folder`."""
    return sum(row.get("seconds") or 0.0 for row in read_metrics(folder / "timing.jsonl"))


def _left(matrix: Matrix, runs: Sequence[Run], jobs: int) -> str:
    waiting = sum(run.tokens for run in runs if not run.finished)
    return duration(waiting * _seconds_per_token(matrix, runs) / jobs)


def _seconds_per_token(matrix: Matrix, runs: Sequence[Run]) -> float:
    """As the finished runs took; before there are any, what the matrix says."""
    done = [run for run in runs if run.finished]
    seconds = sum(run.seconds for run in done)
    return seconds / sum(run.tokens for run in done) if seconds else matrix.seconds_per_kilotoken / 1000


def _recipe_of(source: str, group: Group, arm: Arm, overrides: Sequence[str]) -> Recipe:
    try:
        recipe = load_recipe(source, overrides)
        check_rule(recipe)
    except ConfigError as error:
        raise ConfigError(f"group '{group.name}', arm '{arm.name}': {error}") from error
    return recipe


def _settings(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(mode="json", exclude={"name", "seed"})


def _digest(recipe: Recipe, test: CommonTest | None) -> str:
    parts: list[object] = [_settings(recipe), _weights(recipe.model.path)]
    text = json.dumps(parts if test is None else [*parts, test.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@cache
def _weights(path: str) -> str:
    return str(weights_digest(path))


def _named(run: Run) -> str:
    group, arm = run.arms[0]
    return f"{group}/{arm}"
