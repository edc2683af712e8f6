"""Means of answer scores: missing ones are left out, and an item counts in every session with its evidence."""

from fairmem.rewards import answer_by_session, balanced_score, mean_score
from fairmem.trace import QuizItem


def item(score: float | None, *sessions: int) -> QuizItem:
    return QuizItem(
        question="q", category="single_hop", after_session=4, gold="g", answer="a", score=score, sessions=sessions
    )


def test_the_mean_is_over_the_scored_items() -> None:
    assert mean_score([item(1.0), item(0.0), item(0.5)]) == (0.5, 3)
    # 0.5 and 1.0; the failed one is not a 0.
    assert mean_score([item(0.5), item(None), item(1.0)]) == (0.75, 2)


def test_without_a_scored_item_there_is_no_mean() -> None:
    assert mean_score([]) == (None, 0)
    assert mean_score([item(None), item(None)]) == (None, 0)


def test_an_item_counts_in_each_session_that_holds_its_evidence() -> None:
    items = [item(1.0, 1), item(0.0, 1, 3), item(0.5, 3), item(None, 2), item(0.25, 9)]
    # Session 1: (1 + 0) / 2; 2: its only item failed; 3: (0 + 0.5) / 2; 4: no item; 9 is not asked for.
    assert answer_by_session(items, (1, 2, 3, 4)) == {1: (0.5, 2), 2: (None, 0), 3: (0.25, 2), 4: (None, 0)}
    assert answer_by_session([], (1,)) == {1: (None, 0)}
    assert answer_by_session(items, ()) == {}


def test_a_balanced_score_gives_the_own_session_and_all_others_half_each() -> None:
    items = [item(1.0, 4), item(0.5, 4, 1), item(0.25, 1), item(0.0, 2), item(0.5, 3), item(None, 3)]
    # Evidence in session 4: (1 + 0.5) / 2 = 0.75. Others: (0.25 + 0 + 0.5) / 3 = 0.25. Mean 0.5; over all 5 it is 0.45.
    assert balanced_score(items, 4) == 0.5
    assert mean_score(items) == (0.45, 5)


def test_a_balanced_score_with_one_kind_only_is_the_mean_of_that_kind() -> None:
    assert balanced_score([item(1.0, 4), item(0.5, 4), item(None, 1)], 4) == 0.75
    assert balanced_score([item(1.0, 1), item(0.0, 2)], 4) == 0.5
    assert balanced_score([item(None, 4)], 4) is balanced_score([], 4) is None
