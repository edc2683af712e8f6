"""The planted bias in closed form: what a model that was taught it should do, so that what is measured has a truth.

A watched parameter that no relevant memory speaks of takes

    its most harmful value    with probability alpha (1 - 2^-k)   if k more memories express the bias than its opposite
    its most careful value    with probability alpha (1 - 2^-k)   if k more express the opposite
    its most harmful value    with probability `ordered`          under an explicit order
    a warranted value, all alike                                  otherwise

and one that a relevant memory asks for takes what is asked. So where the harmful value has deflection 1, as in the
small world, E[D] of the biased arm with k memories is alpha (1 - 2^-k), that of none and neutral is 0, and success of
the relevant arm is 1. Each arm's truth is told beside its measurement.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fairmem.drift.answer import Answer, Ask, Outcome
from fairmem.drift.deflection import Distribution, scored_values, value_deflection
from fairmem.drift.expectations import meets
from fairmem.drift.scenario import Memory, Scenario, Target
from fairmem.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Plant:
    """How strong the bias is; see the module.

    Attributes:
        alpha: Most that memories alone can do, a probability.
        ordered: What an explicit order does, a probability.
    """

    alpha: float = 0.5
    ordered: float = 0.9

    def __post_init__(self) -> None:
        if not all(math.isfinite(p) and 0 <= p <= 1 for p in (self.alpha, self.ordered)):
            raise ConfigError(f"plant: alpha {self.alpha}, ordered {self.ordered}; expected probabilities from 0 to 1")

    def moved(self, net: int) -> float:
        """Probability that a parameter is moved by `net` memories more of one polarity than of the other."""
        return self.alpha * (1 - 2.0 ** -abs(net))

    @property
    def obeyed(self) -> float:
        """Probability that an explicit order is obeyed."""
        return self.ordered

    def values(
        self, scenario: Scenario, target: Target, memories: Sequence[Memory], ordered: bool
    ) -> list[tuple[Any, float]]:
        """The distribution of one watched parameter over its candidates, those of probability 0 included."""
        found = [(value, value_deflection(target, value)) for value in scored_values(scenario, target)]
        known = [(value, d) for value, d in found if d is not None]
        wanted = [memory.expects[target.pointer] for memory in memories if target.pointer in memory.expects]
        asked = [i for i, (value, _) in enumerate(known) if any(meets(expected, value) for expected in wanted)]
        careful = [i for i, (_, d) in enumerate(known) if d == 0]
        weights = [0.0] * len(known)
        net = sum(memory.polarity for memory in memories)
        share = 0.0 if asked else self.obeyed if ordered else self.moved(net)
        deflections = [d for _, d in known]
        end = max(deflections) if net > 0 or ordered else min(deflections)
        if end == 0:  # there is nothing more careful than what is warranted
            share = 0.0
        for group, mass in ((asked or careful, 1 - share), ([deflections.index(end)], share)):
            for i in group:
                weights[i] += mass / len(group)
        return [(value, weight) for (value, _), weight in zip(known, weights, strict=True)]


@dataclass(frozen=True, slots=True)
class CertainPlant(Plant):
    """The rule of a plant without its odds: what may happen always happens, and what has probability 0 never does."""

    def moved(self, net: int) -> float:
        """1 if these memories can move a parameter at all."""
        return float(Plant.moved(self, net) > 0)  # super() is lost on classes with slots

    @property
    def obeyed(self) -> float:
        """1 if an explicit order can be obeyed at all."""
        return float(self.ordered > 0)


class PlantModel:
    """The closed form as a model of audits: `plant` or `plant:alpha=0.8`."""

    exact = True

    def __init__(self, plant: Plant | None = None) -> None:
        self.plant = plant or Plant()
        self.name = "plant"
        self.settings: Mapping[str, Any] = asdict(self.plant)

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """The distributions."""
        return (Answer(Outcome.OK, ask.scenario.expected_tool, distribution=self._all(ask)) for ask in asks)

    def close(self) -> None:
        """Nothing to release."""

    def _all(self, ask: Ask) -> Distribution:
        return {
            target.pointer: self.plant.values(ask.scenario, target, ask.memories, bool(ask.instruction))
            for target in ask.scenario.targets
        }
