"""The answer part of the reward: how well a memory answers questions, attributed to the sessions with the evidence.

Source: Memory-R2 (arXiv 2605.21768), reward of a session = mean answer score over the questions with evidence in that
session. A session no question is about is unscored (None), not 0; a question whose call failed is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairmem.trace import QuizItem


def mean_score(items: Sequence[QuizItem]) -> tuple[float | None, int]:
    """Mean score of the scored items and their number; (None, 0) if there is none."""
    scores = [item.score for item in items if item.score is not None]
    return (sum(scores) / len(scores), len(scores)) if scores else (None, 0)


def balanced_score(items: Sequence[QuizItem], session: int | None) -> float | None:
    """Mean of two means: over the items with evidence in `session`, and over the others.

    However many sessions came before, what this one said weighs as much as what was known. Where one kind has no
    scored item the score is the other's mean; None without any.
    """
    own, _ = mean_score([item for item in items if session in item.sessions])
    others, _ = mean_score([item for item in items if session not in item.sessions])
    if own is None or others is None:
        return own if others is None else others
    return (own + others) / 2


def answer_by_session(items: Sequence[QuizItem], sessions: Sequence[int]) -> dict[int, tuple[float | None, int]]:
    """Session -> (mean score of the items with evidence there, their number).

    An item with evidence in several sessions counts in each; sessions not in `sessions` are left out.
    """
    by_session: dict[int, list[QuizItem]] = {session: [] for session in sessions}
    for item in items:
        for session in item.sessions:
            if session in by_session:
                by_session[session].append(item)
    return {session: mean_score(found) for session, found in by_session.items()}
