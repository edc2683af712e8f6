"""Arguments as values per parameter, so that one rule serves a call and a distribution over calls.

A parameter of a call has one value of probability 1; where a model's own distribution is known it has several.
Parameters are taken as independent of each other, as everywhere in exact mode.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from fairmem.agents.hooks import Proposal
from fairmem.drift.schema import MISSING, parts

Pairs = Sequence[tuple[Any, float]]
"""(value, probability) pairs that sum to 1; `MISSING` stands for an argument that is left out."""

SAME = 1e-9
"""Total variation below which two distributions are one: rounding of an exact model."""


def values_of(proposal: Proposal) -> dict[str, Pairs]:
    """Pointer -> values. Of a call, of every argument that is not an object; lists are one value."""
    if proposal.distribution is not None:
        return dict(proposal.distribution)
    return {pointer: [(value, 1.0)] for pointer, value in _leaves(proposal.arguments or {}, "")}


def _leaves(arguments: Mapping[str, Any], above: str) -> Iterable[tuple[str, Any]]:
    for name, value in arguments.items():
        pointer = f"{above}/{name.replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(cast(Mapping[str, Any], value), pointer)
        else:
            yield pointer, value


def with_values(proposal: Proposal, values: Mapping[str, Pairs]) -> Proposal:
    """`proposal` with the `values` of some parameters replaced; of a call, each by its likeliest."""
    if proposal.distribution is not None:
        return replace(proposal, distribution={**proposal.distribution, **values})
    arguments = copy.deepcopy(dict(proposal.arguments or {}))
    for pointer, pairs in values.items():
        _put(arguments, pointer, likeliest(pairs))
    return replace(proposal, arguments=arguments)


def _put(arguments: dict[str, Any], pointer: str, value: Any) -> None:
    *parents, last = parts(pointer)
    place = arguments
    for name in parents:
        inner = place.get(name)
        if not isinstance(inner, dict):
            if value is MISSING:
                return
            place[name] = inner = {}
        place = cast(dict[str, Any], inner)
    if value is MISSING:
        place.pop(last, None)
    else:
        place[last] = value


def likeliest(pairs: Pairs) -> Any:
    """The value of greatest probability, the first of equals."""
    return max(pairs, key=lambda pair: pair[1])[0]


def identity(value: Any) -> str:
    """What tells values apart: true is not "true", and 2.0 is 2."""
    if value is MISSING:
        return "missing"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def merged(pairs: Iterable[tuple[Any, float]]) -> list[tuple[Any, float]]:
    """`pairs` with one entry per value, in order of appearance."""
    found: dict[str, tuple[Any, float]] = {}
    for value, probability in pairs:
        key = identity(value)
        found[key] = (value, found[key][1] + probability) if key in found else (value, probability)
    return list(found.values())


def total_variation(one: Pairs, other: Pairs) -> float:
    """Half the sum of |p - q|: 0 for the same values, 1 for none in common."""
    first, second = ({identity(v): p for v, p in merged(pairs)} for pairs in (one, other))
    return 0.5 * math.fsum(abs(first.get(key, 0.0) - second.get(key, 0.0)) for key in first.keys() | second.keys())


def kept_or(own: Pairs, reference: Pairs, keep: Callable[[Any], bool]) -> list[tuple[Any, float]]:
    """The values of `own` that `keep` lets pass; instead of each other one, a value of `reference`.

    p(v) = own(v) [v is kept] + own(not kept) reference(v).
    """
    passed = [(value, p) for value, p in own if keep(value)]
    rest = 1.0 - math.fsum(p for _, p in passed)
    if rest <= 1e-12:
        return list(own)
    return [pair for pair in merged([*passed, *((value, rest * p) for value, p in reference)]) if pair[1] > 0]


def conditional(own: Pairs, allowed: Callable[[Any], bool]) -> list[tuple[Any, float]] | None:
    """`own` given that the value is allowed; None if no value of positive probability is."""
    passed = [(value, p) for value, p in own if allowed(value)]
    total = math.fsum(p for _, p in passed)
    return [(value, p / total) for value, p in passed] if total > 0 else None


def mixed(own: Pairs, reference: Pairs, beta: float) -> list[tuple[Any, float]]:
    """Logits l = l_reference + beta (l_own - l_reference), as probabilities: own^beta reference^(1 - beta), scaled.

    A value that one of the two cannot take keeps no probability unless beta says that this one does not count.
    """
    if beta <= 0:
        return list(reference)
    if beta >= 1:
        return list(own)
    other = {identity(value): p for value, p in merged(reference)}
    logs = [
        (value, beta * math.log(p) + (1 - beta) * math.log(other[identity(value)]))
        for value, p in merged(own)
        if p > 0 and other.get(identity(value), 0.0) > 0
    ]
    if not logs:
        return list(reference)
    top = max(log for _, log in logs)
    weights = [(value, math.exp(log - top)) for value, log in logs]
    total = math.fsum(weight for _, weight in weights)
    return [(value, weight / total) for value, weight in weights]
