"""One number from named reward parts, which are kept apart on the trace until here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairmem.trace import Branch

_PENALTY = "_penalty"
"""Ending of the names of reward parts that are subtracted."""


def combined(parts: Mapping[str, float | None], answers: float = 1.0) -> float:
    """The parts named `*_penalty` subtracted, all others added; nan if any part could not be measured (None).

    Args:
        parts: Name -> value.
        answers: Weight of the answer part (`sessions_asked`).
    """
    total = 0.0
    for name, value in parts.items():
        if value is None:
            return float("nan")
        total += -value if name.endswith(_PENALTY) else value * (answers if name == "answer" else 1.0)
    return total


def sessions_asked(branches: Sequence[Branch]) -> float:
    """How many times more a question weighs in the reward of its session than in the mean over all questions.

    This is the number of sessions that have questions, where each has its own; less where questions have evidence in
    several; 1 where every session earns from all (`reward.spread = "all"`).
    """
    asked = [len(branch.quiz) for branch in branches if branch.quiz]
    each = [reward.questions for branch in branches for reward in branch.rewards if reward.questions]
    return max(asked) / (sum(each) / len(each)) if asked and each else 1.0
