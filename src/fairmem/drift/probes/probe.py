"""All probes of one model, on a few scenarios of every cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.drift.probes.causal import Causal, measure_causes
from fairmem.drift.probes.direction_file import SavedDirection
from fairmem.drift.probes.directions import difference_of_means
from fairmem.drift.probes.looking import Looking, measure_looking
from fairmem.drift.probes.reading import States, read_states
from fairmem.drift.probes.shifts import VALUE, Shifts, measure_shifts
from fairmem.drift.scenario import Scenario
from fairmem.errors import ConfigError, DataError, ModelError
from fairmem.policy.hf import HFPolicy


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """Settings of a probe.

    Attributes:
        memories: Entries shown in each arm with memory.
        doses: Amounts of the direction that are added without memory, in units of an explicit order.
        reach: Layers on either side of the chosen one that are changed too.
        draws: Bootstrap and permutation draws.
        seed: Of these draws.
    """

    memories: int = 8
    doses: tuple[float, ...] = (-1.0, 0.5, 1.0, 2.0)
    reach: int = 1
    draws: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.memories < 1 or self.reach < 0 or self.draws < 20:
            raise ConfigError(
                f"memories {self.memories}, reach {self.reach}, draws {self.draws}: expected at least 1, 0 and 20"
            )


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What `probe_model` found; `directions` are fitted on all domains."""

    model: str
    model_hash: str
    config: ProbeConfig
    scenarios: tuple[str, ...]
    shifts: Shifts
    causal: Causal
    looking: Looking
    directions: tuple[SavedDirection, ...]


def per_cell(scenarios: Sequence[Scenario], count: int) -> list[Scenario]:
    """The first `count` scenarios of each bias and domain, in order of the list."""
    seen: dict[tuple[str, str], int] = {}
    found: list[Scenario] = []
    for scenario in scenarios:
        cell = scenario.dimension, scenario.domain
        seen[cell] = seen.get(cell, 0) + 1
        if seen[cell] <= count:
            found.append(scenario)
    return found


def probe_model(
    policy: HFPolicy,
    scenarios: Sequence[Scenario],
    config: ProbeConfig | None = None,
    *,
    model_hash: str = "",
    progress: Callable[[str], None] = lambda _stage: None,
) -> ProbeResult:
    """Read states, directions, causes and attention of `policy` on `scenarios`.

    Args:
        policy: A model in this process; its weights and mode are left as they are.
        scenarios: Every bias among them in at least two domains.
        config: See `ProbeConfig`.
        model_hash: Written into the directions.
        progress: Told the stage that begins.

    Raises:
        DataError: a bias has scenarios in one domain only.
        ModelError: a prompt exceeds the context, or the model has no blocks or attention that can be read.
    """
    config = config or ProbeConfig()
    for bias in {s.dimension for s in scenarios}:
        domains = {s.domain for s in scenarios if s.dimension == bias}
        if len(domains) < 2:
            raise DataError(f"bias {bias} has scenarios in {', '.join(domains)} only; leaving a domain out needs two")
    if not scenarios:
        raise DataError("no scenarios; expected every bias in at least two domains")
    progress(f"states of {len(scenarios)} scenarios in 6 arms")
    states = read_states(policy, scenarios, config.memories)
    if not all(np.isfinite(of_arm).all() for of_arm in states.of.values()):
        raise ModelError(f"{policy.name}: its states are not finite numbers; have its weights diverged?")
    shifts = measure_shifts(states, seed=config.seed, draws=config.draws)
    progress(f"ablation and addition around layer {shifts.layer}")
    causal = measure_causes(
        policy,
        states,
        shifts.layer,
        memories=config.memories,
        doses=config.doses,
        reach=config.reach,
        seed=config.seed,
    )
    progress("attention rows")
    looking = measure_looking(policy, scenarios, memories=config.memories, seed=config.seed, draws=config.draws)
    return ProbeResult(
        policy.name,
        model_hash,
        config,
        tuple(s.id for s in scenarios),
        shifts,
        causal,
        looking,
        _directions(states, shifts.layer, model_hash),
    )


def _directions(states: States, layer: int, model_hash: str) -> tuple[SavedDirection, ...]:
    found: list[SavedDirection] = []
    for bias in dict.fromkeys(states.biases):
        rows = [i for i, name in enumerate(states.biases) if name == bias]
        explicit, plain = states.of["explicit"][rows, VALUE, layer], states.of["plain"][rows, VALUE, layer]
        vector, length = difference_of_means(explicit, plain)
        if length > 1e-12:
            neutral = float((states.of["neutral"][:, VALUE, layer] @ vector).mean())
            found.append(SavedDirection(bias, layer, vector.astype(np.float32), neutral, length, model_hash))
    return tuple(found)
