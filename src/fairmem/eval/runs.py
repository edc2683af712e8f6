"""Reading a run's folder, and the numbers of its training: what changed in the recipe, first and last steps, time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fairmem import toml
from fairmem.config import RESOLVED, Recipe, load_recipe
from fairmem.errors import CheckpointError
from fairmem.eval.result import EvalResult
from fairmem.runlog import read_metrics

BEFORE = "eval_before.jsonl"
AFTER = "eval_after.jsonl"
_TRAINING = (
    "f1",
    "val_f1",
    "val_m_fail",
    "reward_global",
    "reward_local",
    "compression_penalty",
    "bank_entries",
    "bank_tokens",
    "bank_share",
    "parse_ok",
    "ops_insert",
    "ops_update",
    "ops_delete",
    "ops_noop",
    "loss",
    "kl",
    "entropy",
    "grad_norm",
    "clip_fraction",
    "rows",
)
_TOTALS = (
    "global_groups",
    "global_dropped",
    "local_groups",
    "local_dropped",
    "identical_groups",
    "failed_branches",
)


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder as read. `metrics` and `timing` hold one object per step; `before` and `after` may be absent."""

    folder: Path
    recipe: Recipe
    metrics: list[dict[str, Any]]
    timing: list[dict[str, Any]]
    before: EvalResult | None
    after: EvalResult | None

    @property
    def steps(self) -> int:
        """Training steps done."""
        return int(self.metrics[-1]["step"]) if self.metrics else 0

    @property
    def finished(self) -> bool:
        """Whether training ended and was evaluated, or ended with nothing to evaluate on."""
        return self.after is not None or (self.before is None and 0 < self.recipe.steps <= self.steps)


@dataclass(frozen=True, slots=True)
class Change:
    """A recipe value that differs from its default; None where one side has no such value."""

    key: str
    default: str | None
    here: str | None


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric at the two ends of training: means over the first and the last steps that have it."""

    key: str
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class StageSummary:
    """A stage of the curriculum: its name, its steps done, its validation scores and why it ended.

    Attributes:
        best_f1: Highest validation F1; None without validation.
        m_fail: Validation M-Fail at its last validation.
        ending: `steps`, `promoted` or `patience`; "" while it is under way.
    """

    name: str
    steps: int
    best_f1: float | None
    m_fail: float | None
    ending: str


@dataclass(frozen=True, slots=True)
class Timing:
    """Clock and speed of all steps together; None where the log does not say.

    Attributes:
        seconds: Of all steps; evaluations are not in it. `rollout` and `learn` are parts of it.
        generated: Tokens the model sampled.
        effective: Those tokens per second of rollout, everything in it counted (memory, answers, bookkeeping).
        overall: Those tokens per second of whole steps.
        efficiency: `effective` as a fraction of the engine's own peak; the mean of the steps by rollout time.
    """

    seconds: float | None
    rollout: float | None
    learn: float | None
    generated: int | None
    effective: float | None
    overall: float | None
    efficiency: float | None


def read_run(folder: Path) -> Run:
    """Read what a finished or stopped run left in `folder`.

    Raises:
        ConfigError: no recipe there, or one this version cannot read.
        CheckpointError: a file is damaged.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; a run's is runs/NAME")
    return Run(
        folder=folder,
        recipe=load_recipe(folder / RESOLVED),
        metrics=read_metrics(folder / "metrics.jsonl"),
        timing=read_metrics(folder / "timing.jsonl"),
        before=_read(folder / BEFORE),
        after=_read(folder / AFTER),
    )


def recipe_changes(recipe: Recipe) -> list[Change]:
    """The values of `recipe` that differ from the defaults, by dotted key; the run's name is left out."""
    default = dict(_leaves(Recipe().model_dump(mode="json", exclude_none=True)))
    here = dict(_leaves(recipe.model_dump(mode="json", exclude_none=True)))
    return [
        Change(key, default.get(key), here.get(key))
        for key in dict.fromkeys([*here, *default])
        if key != "name" and default.get(key) != here.get(key)
    ]


def stages_of(metrics: Sequence[Mapping[str, Any]]) -> list[StageSummary]:
    """The stages that the steps of `metrics` belong to, in order."""
    found: list[StageSummary] = []
    for name in dict.fromkeys(row.get("stage") for row in metrics):
        rows = [row for row in metrics if row.get("stage") == name]
        f1, m_fail = _values(rows, "val_f1"), _values(rows, "val_m_fail")
        ending = str(rows[-1].get("stage_end") or "")
        last = m_fail[-1] if m_fail else None
        found.append(StageSummary(str(name), len(rows), max(f1, default=None), last, ending))
    return found


def trends(metrics: Sequence[Mapping[str, Any]]) -> tuple[int, list[Trend]]:
    """(how many steps each end is the mean of, the trends of the metrics that are there).

    A metric of few steps, such as a validation score, takes at most half of its values for each end.
    """
    window = max(1, min(5, len(metrics) // 2))
    found: list[Trend] = []
    for key in _TRAINING:
        values = _values(metrics, key)
        if values:
            width = max(1, min(window, len(values) // 2))
            first, last = values[:width], values[-width:]
            found.append(Trend(key, sum(first) / len(first), sum(last) / len(last)))
    return window, found


def totals(metrics: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Counts over all steps: groups formed and dropped, branches failed."""
    return {key: round(sum(values)) for key in _TOTALS if (values := _values(metrics, key))}


def timing_of(timing: Sequence[Mapping[str, Any]]) -> Timing:
    """Clock and speed over the steps of `timing` (lines of `timing.jsonl`)."""
    seconds, rollout, learn, generated = (
        _total(timing, key) for key in ("seconds", "rollout_seconds", "learn_seconds", "generated_tokens")
    )
    pairs = [(finite(row.get("rollout_efficiency")), finite(row.get("rollout_seconds"))) for row in timing]
    weighed = [(value, weight) for value, weight in pairs if value is not None and weight is not None]
    weight = sum(weight for _, weight in weighed)
    speeds = _values(timing, "tokens_per_second")
    effective = generated / rollout if generated is not None and rollout else None
    return Timing(
        seconds=seconds,
        rollout=rollout,
        learn=learn,
        generated=None if generated is None else round(generated),
        effective=effective if effective is not None else (sum(speeds) / len(speeds) if speeds else None),
        overall=generated / seconds if generated is not None and seconds else None,
        efficiency=sum(value * part for value, part in weighed) / weight if weight else None,
    )


def _read(path: Path) -> EvalResult | None:
    return EvalResult.load(path) if path.exists() else None


def _leaves(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, item in data.items():
        if isinstance(item, Mapping):
            found += _leaves(cast("Mapping[str, Any]", item), f"{prefix}{name}.")
        elif name == "stages":
            for index, stage in enumerate(item):
                found += _leaves(stage, f"{prefix}{name}.{index}.")
        else:
            found.append((prefix + name, toml.value(item)))
    return found


def _values(rows: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [number for row in rows if (number := finite(row.get(key))) is not None]


def _total(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = _values(rows, key)
    return sum(values) if values else None


def finite(value: object) -> float | None:
    """`value` as a float; None where a log holds no finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
