from __future__ import annotations

import pytest

from fairmem.metrics import evidence_trail


def test_evidence_is_lost_unshown_or_reached() -> None:
    # a is in nothing; b is in memory but not shown; c is shown, second
    trail = evidence_trail(["a", "b", "c"], stored={"b", "c", "x"}, shown=[["x"], ["c", "y"], ["c"]])
    assert trail is not None
    assert (trail.lost, trail.unshown, trail.reached, trail.rank) == (1, 1, 1, 2)
    assert trail.recall == pytest.approx(1 / 3)
    assert trail.stored_recall == pytest.approx(1 / 2)


def test_a_turn_named_twice_counts_once() -> None:
    trail = evidence_trail(["a", "a"], stored=["a"], shown=[["a"]])
    assert trail is not None
    assert (trail.turns, trail.reached, trail.rank) == (1, 1, 1)


def test_what_was_shown_was_stored() -> None:
    trail = evidence_trail(["a"], stored=[], shown=[["a"]])
    assert trail is not None
    assert (trail.lost, trail.reached) == (0, 1)


def test_nothing_stored_has_no_retrieval_recall_and_no_rank() -> None:
    trail = evidence_trail(["a"], stored=[], shown=[["b"]])
    assert trail is not None
    assert (trail.recall, trail.stored_recall, trail.rank) == (0.0, None, None)


def test_a_question_without_evidence_has_no_trail() -> None:
    assert evidence_trail([], stored=["a"], shown=[["a"]]) is None
