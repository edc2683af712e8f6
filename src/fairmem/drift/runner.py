"""Running an audit: every scenario in every arm and trial, appended to a file as it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fairmem.drift.answer import Answer, Ask, CallModel, Outcome
from fairmem.drift.arms import Arm, sampling_seed, shown
from fairmem.drift.files import digest
from fairmem.drift.scenario import Scenario
from fairmem.drift.through.recalled import AgentMemory, Place, Recalled
from fairmem.drift.trials import TRIALS, RunHeader, Trial, line_of, open_run
from fairmem.errors import ConfigError

_WAVE = 64
"""Trials handed to a model at once; each is on disk as soon as it and those before it are done."""

Progress = Callable[[int, int], None]
"""(trials done, trials planned)."""


_FAILED = (Outcome.CALL_FAILED, Outcome.MEMORY_FAILED)


def plan(
    scenarios: Sequence[Scenario],
    arms: Sequence[Arm],
    seeds: Sequence[int],
    recalled: Mapping[Place, Recalled] | None = None,
) -> Iterator[Ask]:
    """Every trial. All arms of a scenario and trial follow each other, so what an endpoint does over time hits all.

    With `recalled` the prompt has what a memory system recalled; without, the memories of the arm themselves.
    """
    for trial, seed in enumerate(seeds):
        for scenario in scenarios:
            for arm in arms:
                if recalled is None:
                    memories = shown(arm, scenario, trial)
                else:
                    record = recalled.get((scenario.id, arm.name))
                    memories = () if record is None else record.memories(scenario)
                yield Ask(
                    scenario,
                    arm.name,
                    trial,
                    sampling_seed(arm, scenario, seed),
                    memories,
                    scenario.explicit_instruction if arm.kind == "explicit" else "",
                )


def run_audit(
    model: CallModel,
    scenarios: Sequence[Scenario],
    arms: Sequence[Arm],
    seeds: Sequence[int],
    folder: Path,
    *,
    memory: AgentMemory | None = None,
    retry_failed: bool = False,
    progress: Progress = lambda _done, _planned: None,
) -> int:
    """Ask `model` every trial that `folder` does not have yet; returns how many were asked.

    Args:
        model: Who is audited.
        scenarios: On what.
        arms: See `fairmem.drift.arms.make_arms`.
        seeds: One per trial; a model whose answers are exact needs one, and gets the first.
        folder: Of the run; made if absent.
        memory: Stands between what an arm holds and the prompt; None puts the memories into the prompt as they are.
        retry_failed: Ask again where the endpoint gave no usable answer, or no memory was built. The new answer counts.
        progress: Called after each trial.

    Raises:
        ConfigError: no seeds, a seed or a scenario twice, a scenario that was selected on this very model, or the
            folder holds another run.
        CheckpointError: the run in the folder is damaged.
    """
    if not scenarios or not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"{len(scenarios)} scenarios, seeds {list(seeds)}: expected some of each, every seed once")
    chosen_on_it = [s.id for s in scenarios if s.provenance.selection and model.name in s.provenance.selection.models]
    if chosen_on_it:
        raise ConfigError(
            f"{len(chosen_on_it)} scenarios, first {chosen_on_it[0]}, were selected on {model.name}, so its drift "
            "on them is inflated; audit another model, or leave them out (--only heldout keeps the unselected ones)"
        )
    seeds = tuple(seeds[:1] if model.exact else seeds)
    header = RunHeader(
        model=model.name,
        exact=model.exact,
        settings={**model.settings, **(memory.settings if memory is not None else {})},
        arms=tuple((arm.name, arm.count) for arm in arms),
        seeds=seeds,
        digest=digest(scenarios),
    )
    done = open_run(folder, header, scenarios)
    recalled = memory.recall(scenarios, arms, folder, retry_failed=retry_failed) if memory is not None else None
    finished = {key for key, t in done.items() if not (retry_failed and t.outcome in _FAILED)}
    everything = list(plan(scenarios, arms, seeds, recalled))
    todo = [ask for ask in everything if (ask.scenario.id, ask.arm, ask.trial) not in finished]
    count = len(everything) - len(todo)
    with (folder / TRIALS).open("a", encoding="utf-8") as out:
        for start in range(0, len(todo), _WAVE):
            wave = todo[start : start + _WAVE]
            for ask, answer in zip(wave, _answers(model, wave, recalled or {}), strict=True):
                out.write(line_of(Trial.of(ask, answer)))
                out.flush()
                count += 1
                progress(count, len(everything))
    return len(todo)


def _answers(model: CallModel, wave: Sequence[Ask], recalled: Mapping[Place, Recalled]) -> Iterator[Answer]:
    """The model's answers; where there is no memory to ask with, that is the outcome."""
    records = [recalled.get((ask.scenario.id, ask.arm)) for ask in wave]
    failures = [None if record is None else record.failure for record in records]
    asked = iter(model.answer([ask for ask, failure in zip(wave, failures, strict=True) if failure is None]))
    for failure in failures:
        if failure is None:
            yield next(asked)
        else:
            yield Answer(Outcome.MEMORY_FAILED, attempts=0, message=failure[:500])
