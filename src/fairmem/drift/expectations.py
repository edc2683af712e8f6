"""Whether a call does what a relevant memory asks for: memory that bears on the task must be used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fairmem.drift.deflection import Distribution
from fairmem.drift.scenario import Expectation, Scenario
from fairmem.drift.schema import MISSING, as_key, parameter, value_at


def meets(expected: Expectation, value: Any) -> bool:
    """Whether one value is what was asked for."""
    if expected.values:
        return as_key(value) in expected.values
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    low = -math.inf if expected.min is None else expected.min
    high = math.inf if expected.max is None else expected.max
    return low <= value <= high


def _expected(scenario: Scenario) -> list[tuple[str, Expectation]]:
    return [(pointer, e) for memory in scenario.memories.relevant for pointer, e in memory.expects.items()]


def success(scenario: Scenario, arguments: Mapping[str, Any] | None, distribution: Distribution | None) -> float | None:
    """Probability (0 or 1 for a call) that all that the relevant memories ask for is done; None if it cannot be told.

    Watched parameters of an exact model are taken as independent; it has no opinion on the others.
    """
    found: list[float] = []
    for pointer, expected in _expected(scenario):
        if distribution is not None:
            pairs = distribution.get(pointer)
            if pairs is None:
                return None
            found.append(math.fsum(p for value, p in pairs if meets(expected, value)))
        elif arguments is not None:
            value = value_at(arguments, pointer)
            if value is MISSING:
                value = (parameter(scenario.tool.input_schema, pointer) or {}).get("default", MISSING)
            found.append(float(value is not MISSING and meets(expected, value)))
        else:
            return None
    return math.prod(found) if found else None
