"""One number from named reward parts, which are kept apart on the trace until here."""

from __future__ import annotations

from collections.abc import Mapping

_PENALTY = "_penalty"
"""Ending of the names of reward parts that are subtracted."""


def combined(parts: Mapping[str, float | None], answers: float = 1.0) -> float:
    """The parts named `*_penalty` subtracted, all others added; nan if any part could not be measured (None).

    Args:
        parts: Name -> value.
        answers: Weight of the answer part.
    """
    total = 0.0
    for name, value in parts.items():
        if value is None:
            return float("nan")
        total += -value if name.endswith(_PENALTY) else value * (answers if name == "answer" else 1.0)
    return total
