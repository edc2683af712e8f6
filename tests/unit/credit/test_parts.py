from __future__ import annotations

import math

import pytest

from fairmem.credit import combined
from fairmem.credit.parts import sessions_asked
from fairmem.trace import Branch, QuizItem, SessionReward


def test_penalties_are_subtracted_and_everything_else_is_added() -> None:
    assert combined({"answer": 0.75, "calls": 0.25, "compression_penalty": 0.5}) == 0.5
    assert combined({}) == 0.0


def test_a_part_that_could_not_be_measured_leaves_nothing_to_say() -> None:
    assert math.isnan(combined({"answer": 0.75, "content": None}))


def test_only_the_answers_are_counted_in_another_unit() -> None:
    assert combined({"answer": 0.25, "calls": 0.5, "compression_penalty": 0.5}, answers=4.0) == 1.0


def asked(total: int, *questions: int) -> Branch:
    """A rollout whose quiz has `total` items, and whose sessions earn from `questions` each."""
    item = QuizItem(question="q", category="single_hop", after_session=3, gold="", score=1.0)
    rewards = tuple(SessionReward(session=s, parts={"answer": 1.0}, questions=n) for s, n in enumerate(questions, 1))
    return Branch(id="g0", kind="global", member=0, quiz=(item,) * total, rewards=rewards)


@pytest.mark.parametrize(
    ("total", "questions", "expected"),
    [
        (6, (1, 2, 3), 3.0),  # every question has a session of its own: 6 / 2
        (6, (2, 0, 4), 2.0),  # a session that no question is about does not count: 6 / 3
        (4, (3, 3), 4 / 3),  # two of four questions are about both sessions
        (6, (6, 6, 6), 1.0),  # every session earns from all questions
        (0, (), 1.0),  # nothing was asked, so there is nothing to weigh
    ],
)
def test_a_question_weighs_more_in_its_session_than_in_the_whole(
    total: int, questions: tuple[int, ...], expected: float
) -> None:
    assert sessions_asked([asked(total, *questions)]) == pytest.approx(expected)


def test_rollouts_of_a_group_have_one_unit_even_where_one_of_them_was_asked_nothing() -> None:
    assert sessions_asked([asked(6, 1, 2, 3), asked(0)]) == 3.0
