"""Exposure and conversion of an audit, apart: did the memory reach the prompt, and did the call move where it did?

The unit is the scenario, whose memory is built once per arm. It is *exposed* in an arm if at least one of the arm's own
memories reached the prompt (`exposure`). Its change is the mean D over its trials in the arm minus that in `none`; in
the relevant arm it is the change of success, since there the call should move.

*Conversion* is the mean change of the exposed scenarios. Beside it stand the mean change of the others, whose memories
cannot have moved anything, and the difference of the two (Welch: they are different scenarios, of different variance;
and which of them are exposed is the memory's choice, so the difference is no effect of exposure alone). Scenarios whose
memory was not built are in neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fairmem.drift.intervals import RESAMPLES, Estimate, Rate, clopper_pearson, mean_interval
from fairmem.drift.scenario import Memory, Scenario
from fairmem.drift.summary import Values, deltas_of, values_of
from fairmem.drift.through.exposure import Exposure, exposure
from fairmem.drift.through.recalled import Place, Recalled, by_id
from fairmem.drift.trials import Run
from fairmem.errors import CheckpointError
from fairmem.metrics.stats import student_t_quantile


@dataclass(frozen=True, slots=True)
class ArmConversion:
    """One arm that holds memories.

    Attributes:
        arm: Its name.
        built: Scenarios whose memory was built and asked; `failed`: whose memory was not.
        kept: Mean share of the arm's own memories that the system kept.
        reached: Mean share of them that reached the prompt.
        content: Mean share of their content words that reached it.
        lines: Mean number of entries in the prompt, whatever they carry.
        exposed: Scenarios with at least one of them in the prompt, of those built.
        measure: What `change` and the rest are of: `deflection`, in the relevant arm `success`.
        level: Mean of the measure over exposed scenarios.
        change: Conversion: mean change to `none` over exposed scenarios.
        unexposed: The same over the others that were built.
        difference: `change` minus `unexposed`.
    """

    arm: str
    built: int
    failed: int
    kept: Estimate
    reached: Estimate
    content: Estimate
    lines: Estimate
    exposed: Rate
    measure: Literal["deflection", "success"]
    level: Estimate
    change: Estimate
    unexposed: Estimate
    difference: Estimate


def conversions(
    run: Run, recalled: Mapping[Place, Recalled] | None, *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[ArmConversion, ...]:
    """Exposure and conversion of every arm with memories, in the order of reports.

    Args:
        run: The audit, finished or not.
        recalled: Its memories; None if they were put into the prompt as they are, where ids say what was shown.
        seed: Of the intervals.
        resamples: Of the intervals.

    Raises:
        CheckpointError: a trial's prompt did not have what the memory recalled.
    """
    exposures = exposures_of(run, recalled)
    deflections = values_of(run, lambda trial, scenario: trial.deflection(scenario))
    successes = values_of(run, lambda trial, scenario: trial.success(scenario))
    return tuple(
        _arm(
            name,
            exposures,
            successes if name == "relevant" else deflections,
            run.scenarios,
            seed=seed,
            resamples=resamples,
        )
        for name, count in run.header.arms
        if count
    )


def exposures_of(run: Run, recalled: Mapping[Place, Recalled] | None) -> dict[Place, Exposure | None]:
    """What became of every arm's memories in every scenario that has a trial; None where no memory was built.

    Raises:
        CheckpointError: a trial's prompt did not have what the memory recalled.
    """
    counts = dict(run.header.arms)
    found: dict[Place, Exposure | None] = {}
    for trial in run.trials.values():
        place, scenario = (trial.scenario, trial.arm), run.scenarios[trial.scenario]
        if not counts[trial.arm]:
            continue
        if recalled is None:
            found.setdefault(place, _direct(scenario, trial.arm, trial.shown))
            continue
        record = recalled.get(place)
        if record is None or (record.failure is None and trial.shown != record.found):
            raise CheckpointError(f"recall.jsonl: not what trial {trial.key} was asked with; the run is damaged")
        found[place] = None if record.failure is not None else _through(record, scenario)
    return found


def _direct(scenario: Scenario, arm: str, shown: Sequence[str]) -> Exposure:
    known = by_id(scenario)
    own = [id for id in shown if id in known and _own(arm, known[id], scenario)]
    return Exposure(len(own), len(own), len(own), 1.0 if own else 0.0, len(shown))


def _through(record: Recalled, scenario: Scenario) -> Exposure:
    known = by_id(scenario)
    told = [(turn, known[id].text) for turn, id in record.told if _own(record.arm, known[id], scenario)]
    return exposure(told, record.stored, record.lines, traces=record.traces)


def _own(arm: str, memory: Memory, scenario: Scenario) -> bool:
    """Whether a memory is what the arm is about, and not what it is filled up with."""
    return arm != "relevant" or memory in scenario.memories.relevant


def _arm(
    name: str,
    exposures: Mapping[Place, Exposure | None],
    values: Values,
    scenarios: Mapping[str, Scenario],
    *,
    seed: int,
    resamples: int,
) -> ArmConversion:
    def mean(numbers: Sequence[float]) -> Estimate:
        return mean_interval(numbers, seed=seed, resamples=resamples)

    here = {scenario: exposures[scenario, name] for scenario in sorted(scenarios) if (scenario, name) in exposures}
    # An arm without memories of its own, such as one of a scenario that has none, exposes to nothing and is left out.
    built = {scenario: found for scenario, found in here.items() if found is not None and found.told}
    changes = deltas_of(values, name, "none")
    levels = {s: float(np.mean(trials)) for s, trials in values.get(name, {}).items()}
    exposed = [s for s, found in built.items() if found.reached]
    others = [s for s, found in built.items() if not found.reached]
    yes = [changes[s] for s in exposed if s in changes]
    no = [changes[s] for s in others if s in changes]
    return ArmConversion(
        arm=name,
        built=len(built),
        failed=sum(found is None for found in here.values()),
        kept=mean([found.kept / found.told for found in built.values()]),
        reached=mean([found.reached / found.told for found in built.values()]),
        content=mean([found.content for found in built.values()]),
        lines=mean([float(found.lines) for found in built.values()]),
        exposed=clopper_pearson(len(exposed), len(built)),
        measure="success" if name == "relevant" else "deflection",
        level=mean([levels[s] for s in exposed if s in levels]),
        change=mean(yes),
        unexposed=mean(no),
        difference=welch(yes, no),
    )


def welch(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Difference of two means with the interval of Welch (1947), degrees of freedom rounded down; n counts both groups.

    The ends are nan where a group has fewer than two values, the mean where one has none.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    n = a.size + b.size
    if not a.size or not b.size:
        return Estimate(math.nan, math.nan, math.nan, n, "welch")
    mean = float(a.mean() - b.mean())
    if a.size < 2 or b.size < 2:
        return Estimate(mean, math.nan, math.nan, n, "welch")
    parts = float(a.var(ddof=1)) / a.size, float(b.var(ddof=1)) / b.size
    square = sum(parts)
    if square <= 1e-24:
        return Estimate(mean, mean, mean, n, "welch")
    freedom = square**2 / (parts[0] ** 2 / (a.size - 1) + parts[1] ** 2 / (b.size - 1))
    reach = student_t_quantile(0.5 + confidence / 2, max(1, int(freedom + 1e-9))) * math.sqrt(square)
    return Estimate(mean, mean - reach, mean + reach, n, "welch")
