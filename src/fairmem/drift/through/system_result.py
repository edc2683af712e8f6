"""The numbers of one model through several memories: each run by itself, and paired with direct injection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fairmem.drift.intervals import Estimate, Rate, mean_interval
from fairmem.drift.significance import holm
from fairmem.drift.summary import deltas_of, summarise, values_of
from fairmem.drift.through.conversion import ArmConversion, conversions
from fairmem.drift.through.recalled import DIRECT, RecallFile
from fairmem.drift.trials import Run
from fairmem.errors import ConfigError
from fairmem.metrics import sign_flip


@dataclass(frozen=True, slots=True)
class SystemResult:
    """One model through one memory; `fairmem.drift.through.comparison` says what each number is."""

    name: str
    settings: Mapping[str, Any]
    complete: bool
    trials: int
    planned: int
    lost: float
    floor: Estimate | None
    tau: float
    delta: Estimate | None
    points: Estimate | None
    p: float
    drifted: Rate | None
    minus_direct: Estimate | None
    minus_direct_p: float
    main: ArmConversion | None
    relevant: ArmConversion | None
    neutral: ArmConversion | None
    used: Estimate | None
    builds: int
    calls: int
    prompt_tokens: int
    reply_tokens: int


def compare_systems(runs: Mapping[str, Run], folder: Path) -> list[SystemResult]:
    """The numbers of each of `runs`, whose files lie below `folder`.

    Raises:
        ConfigError: the runs are of different scenarios, arms, seeds or models.
    """
    headers = {name: (r.header.model, r.header.digest, r.header.arms, r.header.seeds) for name, r in runs.items()}
    if len(set(headers.values())) > 1:
        raise ConfigError(f"{folder}: its runs differ in model, scenarios, arms or seeds; compare in another --out")
    direct = _changes(runs[DIRECT]) if DIRECT in runs else None
    results = [_result(name, run, direct, folder) for name, run in runs.items()]
    corrected = holm([result.minus_direct_p for result in results])
    return [replace(result, minus_direct_p=p) for result, p in zip(results, corrected, strict=True)]


def _result(name: str, run: Run, direct: Mapping[str, float] | None, folder: Path) -> SystemResult:
    summary = summarise(run)
    # A run without the file put the memories into the prompt as they are.
    through = run.header.settings.get("through")
    records = RecallFile.open(folder / name).records if through is not None else None
    arms = {one.arm: one for one in conversions(run, records)}
    main = next((arm for arm in summary.arms if arm.name == summary.main), None)
    paired: list[float] = []
    if direct is not None and name != DIRECT:
        changes = _changes(run)
        paired = [changes[s] - direct[s] for s in sorted(changes) if s in direct]
    trials = sum(arm.trials for arm in summary.arms)
    kept = list((records or {}).values())
    return SystemResult(
        name=name,
        settings=run.header.settings,
        complete=len(run.trials) == run.planned,
        trials=len(run.trials),
        planned=run.planned,
        lost=sum(arm.lost * arm.trials for arm in summary.arms if arm.trials) / trials if trials else math.nan,
        floor=summary.floor,
        tau=summary.tau,
        delta=None if main is None else main.delta,
        points=None if main is None else main.points,
        p=math.nan if main is None else main.p,
        drifted=None if main is None else main.drifted,
        minus_direct=mean_interval(paired) if direct is not None and name != DIRECT else None,
        minus_direct_p=sign_flip(paired) if paired else math.nan,
        main=arms.get(summary.main),
        relevant=arms.get("relevant"),
        neutral=arms.get("neutral"),
        used=summary.used,
        builds=len(kept),
        calls=sum(record.calls for record in kept),
        prompt_tokens=sum(record.prompt_tokens for record in kept),
        reply_tokens=sum(record.reply_tokens for record in kept),
    )


def main_arm(run: Run) -> str:
    """Name of the strongest biased arm; empty without one."""
    biased = [name for name, _ in run.header.arms if name.startswith("biased-")]
    return biased[-1] if biased else ""


def _changes(run: Run) -> dict[str, float]:
    """Scenario -> change of D in the main arm."""
    return deltas_of(values_of(run, lambda trial, scenario: trial.deflection(scenario)), main_arm(run), "none")
