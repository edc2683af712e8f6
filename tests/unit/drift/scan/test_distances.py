from __future__ import annotations

import pytest

from fairmem.drift.scan.distances import distance, excess, permutation_p, scale_of
from fairmem.drift.significance import benjamini_hochberg


def test_words_lie_apart_by_half_the_sum_of_differences() -> None:
    # a: 2/4 against 1/4, b: 1/4 against 1/4, c: 1/4 against 2/4 -> (1/4 + 0 + 1/4) / 2.
    assert distance(["a", "a", "b", "c"], ["a", "b", "c", "c"], None) == 0.25
    assert distance(["a"], ["b"], None) == 1.0
    assert distance(["a", "b"], ["b", "a"], None) == 0.0


def test_numbers_lie_apart_by_what_must_be_moved_in_units_of_the_range() -> None:
    # One of two from 0 to 10 in a range of 20: 10 / 2 / 20.
    assert distance([0, 5], [10, 5], 20.0) == pytest.approx(0.25)
    assert distance([1, 2], [1, 2], 20.0) == 0.0
    assert distance([3], [3], 0.0) == 0.0


def test_the_scale_is_that_of_all_numbers_and_none_with_words() -> None:
    assert scale_of([[1.0, 2.0], []], [[7.0]]) == 6.0
    assert scale_of([[1.0]], [["(left out)"]]) is None
    assert scale_of([[]]) is None


def test_the_excess_takes_off_the_noise() -> None:
    base, again, moved = [["a", "a"]], [["a", "b"]], [["b", "b"]]
    assert excess(moved, again, base, None) == 1.0 - 0.5
    assert excess(again, again, base, None) == 0.0


def test_p_is_that_of_all_permutations() -> None:
    # 4 and 4 in one task, wholly apart: of 70 ways to split them 1 is as far, and the mirror has excess -1.
    base, again, moved = [["a"] * 4], [["a"] * 4], [["b"] * 4]
    p = permutation_p(moved, again, base, None, seed=1, draws=20_000)
    assert p == pytest.approx(1 / 70, abs=0.003)  # 3.5 standard errors of 20,000 draws
    assert permutation_p(again, again, base, None, seed=1, draws=50) == 1.0


def test_labels_are_only_exchanged_within_a_task() -> None:
    # Two tasks of one reply each: 2 x 2 splits, one of which is as far.
    p = permutation_p([["b"], ["d"]], [["a"], ["c"]], [["a"], ["c"]], None, seed=0, draws=20_000)
    assert p == pytest.approx(1 / 4, abs=0.011)


def test_adjusted_p_values_as_worked_by_hand() -> None:
    # Sorted .01 .02 .03 .5: times 4 over rank: .04 .04 .04 .5.
    assert benjamini_hochberg([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.04, 0.04])
    assert benjamini_hochberg([]) == []
