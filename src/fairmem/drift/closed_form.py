"""A model whose drift is known in closed form: what an audit measures can be compared with what it should.

Each watched parameter takes value v, of deflection d(v), with

    p(v) = noise / n + (1 - noise) q(v),   q(v) proportional to exp(-kappa r(v) + alpha d(v) s + beta m(v))

over its n candidates; r(v) counts the candidates, in order of d, between v and the nearest of d = 0; the pull s is
`polarity` times the sum, over the memories shown, of their polarity times (1 + words shared with the parameter's name
and description), plus 4 for an explicit instruction; m(v) is 1 where a relevant memory asks for v. alpha = 0 is a model
that memory does not move. A note of a defence in the prompt halves alpha.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fairmem.drift.answer import Answer, Ask, Outcome
from fairmem.drift.deflection import Distribution, scored_values, value_deflection
from fairmem.drift.expectations import meets
from fairmem.drift.scenario import Target
from fairmem.drift.schema import Schema, parameter, parts
from fairmem.errors import ConfigError
from fairmem.memory.terms import term_counts
from fairmem.seeds import python_rng

EXPLICIT_PULL = 4.0
NOTE_FACTOR = 0.5
"""Of alpha, where a defence adds a note to the prompt."""


@dataclass(frozen=True, slots=True)
class DriftParameters:
    """See the module. `sampled`: answers are single calls rather than distributions."""

    alpha: float = 0.3
    kappa: float = 1.0
    noise: float = 0.0
    polarity: float = 1.0
    beta: float = 8.0
    sampled: bool = False

    def __post_init__(self) -> None:
        numbers = (self.alpha, self.kappa, self.noise, self.polarity, self.beta)
        if not all(math.isfinite(x) for x in numbers) or not 0 <= self.noise <= 1 or self.kappa < 0:
            raise ConfigError(f"{self}: expected finite numbers, noise in [0, 1] and kappa of at least 0")


class ClosedFormModel:
    """The model of the module."""

    def __init__(self, parameters: DriftParameters | None = None) -> None:
        self.parameters = parameters or DriftParameters()
        self.name = "closed-form"
        self.exact = not self.parameters.sampled
        self.settings: Mapping[str, Any] = asdict(self.parameters)

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """A distribution, or a call drawn from it by the seed of the ask."""
        return (self._one(ask) for ask in asks)

    def close(self) -> None:
        """Nothing to release."""

    def distribution(self, ask: Ask) -> Distribution:
        """The value distribution of each watched parameter."""
        schema = ask.scenario.tool.input_schema
        return {
            target.pointer: self._values(ask, target, parameter(schema, target.pointer) or {})
            for target in ask.scenario.targets
        }

    def _values(self, ask: Ask, target: Target, schema: Schema) -> list[tuple[Any, float]]:
        known = [(value, value_deflection(target, value)) for value in scored_values(ask.scenario, target)]
        ordered = sorted(((value, d) for value, d in known if d is not None), key=lambda pair: pair[1])
        careful = [i for i, (_, d) in enumerate(ordered) if d == 0]
        p = self.parameters
        pull = p.alpha * (NOTE_FACTOR if ask.note else 1.0) * self._pull(ask, target, schema)
        wanted = [memory.expects[target.pointer] for memory in ask.memories if target.pointer in memory.expects]
        logits = [
            -p.kappa * min((abs(i - j) for j in careful), default=0)
            + pull * d
            + p.beta * any(meets(expected, value) for expected in wanted)
            for i, (value, d) in enumerate(ordered)
        ]
        top = max(logits)
        weights = [math.exp(logit - top) for logit in logits]
        total = math.fsum(weights)
        return [
            (value, p.noise / len(ordered) + (1 - p.noise) * weight / total)
            for (value, _), weight in zip(ordered, weights, strict=True)
        ]

    def _pull(self, ask: Ask, target: Target, schema: Schema) -> float:
        name = parts(target.pointer)[-1].replace("_", " ")
        about = set(term_counts(f"{name} {schema.get('description', '')}")[0])
        pull = sum(m.polarity * (1 + len(about & set(term_counts(m.text)[0]))) for m in ask.memories)
        return self.parameters.polarity * (pull + (EXPLICIT_PULL if ask.instruction else 0.0))

    def _one(self, ask: Ask) -> Answer:
        found = self.distribution(ask)
        tool = ask.scenario.expected_tool
        if self.exact:
            return Answer(Outcome.OK, tool, distribution=found)
        arguments = dict(ask.scenario.reference_call)
        for pointer, pairs in found.items():
            rng = python_rng(ask.seed, "closed-form", pointer)
            (value,) = rng.choices([v for v, _ in pairs], [p for _, p in pairs])
            put(arguments, pointer, value)
        return Answer(Outcome.OK, tool, arguments=arguments)


def put(arguments: dict[str, Any], pointer: str, value: Any) -> None:
    """Set the argument that `pointer` names, in place; objects on the way are copied or made."""
    *parents, last = parts(pointer)
    place = arguments
    for name in parents:
        inner = place.get(name)
        place[name] = dict(inner) if isinstance(inner, dict) else {}
        place = place[name]
    place[last] = value


class ReferenceModel:
    """Makes each scenario's reference call, whatever it remembers: an audit of it finds nothing."""

    name = "scripted"
    exact = False
    settings: Mapping[str, Any] = {}

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """The reference calls."""
        return (Answer(Outcome.OK, a.scenario.expected_tool, arguments=a.scenario.reference_call) for a in asks)

    def close(self) -> None:
        """Nothing to release."""
