"""Running the comparison: for each scenario, trial and arm the undefended call first, then each defence.

A review judges the very call that counts as undefended, so the two are paired and it is not asked twice; its cost is
counted all the same, as whoever uses the defence will pay it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from fairmem.agents.hooks import ToolDefense
from fairmem.drift.answer import Answer, Ask, CallModel, Outcome
from fairmem.drift.arms import Arm, sampling_seed, shown
from fairmem.drift.defend.records import UNDEFENDED, DefendedTrial, DefendHeader, open_defend, record_of
from fairmem.drift.defenses.defended import Costs, Defended, DefendedModel, Resources, refusal
from fairmem.drift.defenses.settings import DefenseSettings
from fairmem.drift.defenses.table import DEFENSES, open_defense
from fairmem.drift.files import digest
from fairmem.drift.scenario import Scenario
from fairmem.drift.trials import TRIALS, Key, line_of
from fairmem.errors import ConfigError
from fairmem.seeds import python_rng

BASES = (Arm("none", 0), Arm("none2", 0))
"""What defended arms are compared with; memory is empty, so no defence of memory has anything to do there."""

Progress = Callable[[int, int], None]
"""(trials done, trials planned)."""


@dataclass(frozen=True, slots=True)
class DefendPlan:
    """What is compared: the defences that can be run, those that cannot and why, and the arms."""

    defenses: Mapping[str, ToolDefense]
    refused: Mapping[str, str]
    undefended: tuple[Arm, ...]
    arms: tuple[Arm, ...]
    settings: DefenseSettings
    resources: Resources


def plan_defend(
    model: CallModel,
    names: Sequence[str] = (),
    settings: DefenseSettings | None = None,
    resources: Resources | None = None,
    *,
    dose: int = 8,
) -> DefendPlan:
    """Which of the defences `names` (default: all) can be put around `model`.

    Args:
        model: Who is defended.
        names: Of `fairmem.drift.defenses.DEFENSES`.
        settings: Of the defences.
        resources: What they may use besides the model.
        dose: Memories in the biased arm; the others show as many.

    Raises:
        ConfigError: no such defence, a dose below 1, or none of them can be run.
    """
    settings, resources = settings or DefenseSettings(), resources or Resources()
    if dose < 1:
        raise ConfigError(f"dose is {dose}, expected at least 1 memory")
    unknown = [name for name in names if name not in DEFENSES]
    if unknown:
        raise ConfigError(f"defence {unknown[0]!r}: expected all, or some of {', '.join(DEFENSES)}")
    ready: dict[str, ToolDefense] = {}
    refused: dict[str, str] = {}
    for name in [name for name in DEFENSES if not names or name in names]:
        if reason := refusal(DEFENSES[name].needs, model, resources):
            refused[name] = reason
            continue
        try:
            ready[name] = open_defense(name, settings)
        except ConfigError as error:
            refused[name] = str(error).removeprefix(f"{name}: ")
    if not ready:
        told = "; ".join(f"{name} {why}" for name, why in refused.items())
        raise ConfigError(f"none of these defences can be run: {told}")
    arms = (Arm("biased", dose), Arm("relevant", dose))
    undefended = (*BASES, Arm("neutral", dose), *arms)
    return DefendPlan(ready, refused, undefended, arms, settings, resources)


def spread(scenarios: Sequence[Scenario], limit: int) -> list[Scenario]:
    """`limit` scenarios, drawn in turn from each bias and domain, in the order of the list; 0 for all.

    Raises:
        ConfigError: the limit is negative.
    """
    if limit < 0:
        raise ConfigError(f"--limit: found {limit}, expected at least 1, or 0 for all")
    order = list(range(len(scenarios)))
    python_rng(0, "drift-defend-spread").shuffle(order)
    turns: Counter[tuple[str, str]] = Counter()
    turn: dict[int, int] = {}
    for i in order:
        cell = scenarios[i].dimension, scenarios[i].domain
        turn[i] = turns[cell]
        turns[cell] += 1
    taken = sorted(order, key=lambda i: turn[i])[: limit or len(order)]
    return [scenarios[i] for i in sorted(taken)]


def run_defend(
    model: CallModel,
    plan: DefendPlan,
    scenarios: Sequence[Scenario],
    seeds: Sequence[int],
    folder: Path,
    *,
    retry_failed: bool = False,
    progress: Progress = lambda _done, _planned: None,
) -> int:
    """Ask what `folder` does not have yet; returns how many trials were asked.

    Args:
        model: Who is defended; the one that `plan` was made for.
        plan: See `plan_defend`.
        scenarios: On what.
        seeds: One per trial; a model whose answers are exact needs one, and gets the first.
        folder: Of the run; made if absent.
        retry_failed: Ask again where the endpoint gave no usable answer.
        progress: Called after each trial.

    Raises:
        ConfigError: no scenarios or seeds, a seed twice, scenarios selected on this model, or another run in the
            folder.
        CheckpointError: the run in the folder is damaged.
    """
    if not scenarios or not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"{len(scenarios)} scenarios, seeds {list(seeds)}: expected some of each, every seed once")
    chosen = [s.id for s in scenarios if s.provenance.selection and model.name in s.provenance.selection.models]
    if chosen:
        raise ConfigError(f"{len(chosen)} scenarios, first {chosen[0]}, were selected on {model.name}; leave them out")
    seeds = tuple(seeds[:1] if model.exact else seeds)
    done = open_defend(folder, _header(model, plan, scenarios, seeds), scenarios)
    if retry_failed:
        done = {key: trial for key, trial in done.items() if trial.outcome is not Outcome.CALL_FAILED}
    planned = len(scenarios) * len(seeds) * (len(plan.undefended) + len(plan.arms) * len(plan.defenses))
    units = [
        (scenario, arm, trial, seed)
        for trial, seed in enumerate(seeds)
        for scenario in scenarios
        for arm in plan.undefended
    ]
    with (folder / TRIALS).open("a", encoding="utf-8") as out:
        writer = _Writer(out, done, planned, progress)
        _Bench(model, plan, writer).all(units)
    return writer.written


def _header(model: CallModel, plan: DefendPlan, scenarios: Sequence[Scenario], seeds: tuple[int, ...]) -> DefendHeader:
    return DefendHeader(
        model=model.name,
        exact=model.exact,
        settings=dict(model.settings),
        names=tuple(plan.defenses),
        refused=dict(plan.refused),
        defenses=plan.settings.record() | plan.resources.record(),
        undefended=tuple((arm.name, arm.count) for arm in plan.undefended),
        arms=tuple((arm.name, arm.count) for arm in plan.arms),
        seeds=seeds,
        digest=digest(scenarios),
    )


class _Writer:
    """Appends trials, from any thread; knows which are there."""

    def __init__(self, out: TextIO, done: dict[Key, DefendedTrial], planned: int, progress: Progress) -> None:
        self._out, self._planned, self._progress = out, planned, progress
        self._lock = threading.Lock()
        self._count = len(done)
        self.done = done
        self.written = 0

    def put(self, trial: DefendedTrial) -> None:
        with self._lock:
            self._out.write(line_of(trial))
            self._out.flush()
            self.written += 1
            self._count += 1
            self._progress(self._count, self._planned)


class _Bench:
    def __init__(self, model: CallModel, plan: DefendPlan, writer: _Writer) -> None:
        self._model, self._plan, self._writer = model, plan, writer
        self._defended = {
            name: DefendedModel(model, defense, plan.resources) for name, defense in plan.defenses.items()
        }

    def all(self, units: Sequence[tuple[Scenario, Arm, int, int]]) -> None:
        """Every (scenario, arm, trial, seed), as many at once as the model takes."""
        workers = max(1, min(int(getattr(self._model, "concurrency", 1)), len(units)))
        if workers == 1:
            for unit in units:
                self.unit(*unit)
            return
        with ThreadPoolExecutor(workers, "fairmem-defend") as pool:
            for future in as_completed([pool.submit(self.unit, *unit) for unit in units]):
                future.result()

    def unit(self, scenario: Scenario, arm: Arm, trial: int, seed: int) -> None:
        """One scenario in one arm and trial: undefended, then each defence that has the arm."""
        ask = Ask(scenario, arm.name, trial, sampling_seed(arm, scenario, seed), shown(arm, scenario, trial))
        key = (scenario.id, f"{UNDEFENDED}/{arm.name}", trial)
        there = self._writer.done.get(key)
        if there is None:
            start = time.perf_counter()
            (answer,) = self._model.answer([ask])
            costs = Costs(1, answer.prompt_tokens, answer.generated_tokens, time.perf_counter() - start)
            ids = tuple(memory.id for memory in ask.memories)
            there = record_of(ask, Defended(answer, None, (), ids, costs), UNDEFENDED)
            self._writer.put(there)
        if arm not in self._plan.arms:
            return
        first = _answer_of(there), Costs(there.calls, there.prompt_tokens, there.generated_tokens, there.seconds)
        for name, model in self._defended.items():
            if (scenario.id, f"{name}/{arm.name}", trial) not in self._writer.done:
                self._writer.put(record_of(ask, model.one(ask, first), name))


def _answer_of(trial: DefendedTrial) -> Answer:
    """The answer that `trial` records."""
    return Answer(
        trial.outcome,
        trial.tool,
        trial.arguments,
        trial.distribution,
        trial.rung,
        trial.repaired,
        trial.attempts,
        trial.message,
        trial.raw,
        trial.prompt_tokens,
        trial.generated_tokens,
    )
