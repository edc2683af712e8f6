"""Paired comparisons small enough to work by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fairmem.metrics import PairedResult, mcnemar, paired_difference, sign_flip
from fairmem.seeds import numpy_rng


def test_the_same_gain_everywhere_is_certain_and_p_is_two_of_all_sign_patterns() -> None:
    # three conversations, each +0.25: only +++ and --- reach |0.25|, so p = 2 / 2^3
    result = paired_difference([0.5, 0.25, 0.5], [0.75, 0.5, 0.75], ["x", "y", "z"])
    assert (result.difference, result.low, result.high) == (0.25, 0.25, 0.25)
    assert (result.p, result.exact) == (0.25, True)


def test_mixed_signs_are_counted_by_hand() -> None:
    # cluster sums +3, +1, -1: |+3 + 1 - 1| = 3. Patterns with |sum| >= 3: of +-3 +-1 +-1 the sums are
    # 5, 3, 3, 1 and their negatives, so 6 of 8.
    result = paired_difference([0.0, 0.0, 1.0], [3.0, 1.0, 0.0], ["x", "y", "z"])
    assert result.difference == 1.0
    assert result.p == 0.75


def test_signs_flip_by_conversation_and_not_by_question() -> None:
    # ten questions, all +1, but two conversations: 2 / 2^2. Question-wise flips would say 2 / 2^10.
    result = paired_difference([0.0] * 10, [1.0] * 10, ["x"] * 5 + ["y"] * 5)
    assert result.p == 0.5
    assert (result.n, result.clusters) == (10, 2)


def test_the_difference_is_over_questions_and_not_over_conversations() -> None:
    # (1 + 1 + 1 - 1) / 4
    result = paired_difference([0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0], ["x", "x", "x", "y"])
    assert result.difference == 0.5


def test_pairs_without_a_score_on_either_side_are_dropped_and_counted() -> None:
    before = [0.0, None, 0.5, math.nan, 0.25]
    after = [1.0, 1.0, None, math.nan, 0.25]
    result = paired_difference(before, after, ["x", "x", "y", "z", "w"])
    assert result.difference == 0.5  # (1 + 0) / 2
    assert (result.n, result.clusters, result.unscored) == (2, 2, 3)


def test_nothing_scored_gives_no_difference_and_no_p() -> None:
    result = paired_difference([None], [1.0], ["x"])
    assert math.isnan(result.difference) and math.isnan(result.p)
    assert (result.n, result.unscored) == (0, 1)


def test_equal_systems_have_p_one() -> None:
    assert paired_difference([0.1, 0.2], [0.1, 0.2], ["x", "y"]).p == 1.0


def test_rounding_does_not_hide_ties() -> None:
    # 0.1 + 0.2 differs from 0.3 in the last bit; the observed pattern still ties with itself and its mirror
    result = paired_difference([0.0, 0.0, 0.0], [0.1, 0.2, 0.3], ["x", "y", "z"])
    assert result.p == 0.25


def test_swapping_the_systems_turns_the_result_round() -> None:
    rng = numpy_rng(5)
    before, after = rng.random(40).tolist(), rng.random(40).tolist()
    clusters = [index % 8 for index in range(40)]
    forth, back = paired_difference(before, after, clusters), paired_difference(after, before, clusters)
    assert back.difference == -forth.difference
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))
    assert back.p == forth.p


def test_many_conversations_are_sampled_and_p_is_never_zero() -> None:
    # 40 conversations, all +1: 2^40 patterns are sampled, only the observed one counts: 1 / (1 + 999)
    result = paired_difference([0.0] * 40, [1.0] * 40, list(range(40)), resamples=999)
    assert (result.p, result.exact) == (0.001, False)


def test_sign_flips_of_three_are_counted_by_hand() -> None:
    # Sums of +-1 +-2 +-3: 6, 0, 2, -4, 4, -2, 0, -6. Two of eight reach 6.
    assert sign_flip([1, 2, 3]) == 0.25
    # 1 + 2 - 3 = 0: every pattern reaches it.
    assert sign_flip([1, 2, -3]) == 1.0
    assert math.isnan(sign_flip([])) and sign_flip([0.0, 0.0]) == 1.0


def test_sign_flips_equal_brute_force_up_to_twenty_and_are_close_above() -> None:
    rng = np.random.default_rng(3)
    deltas = rng.normal(0.4, 1, 12)
    sums = [abs(float(np.dot(signs, deltas))) for signs in itertools.product((1, -1), repeat=12)]
    assert sign_flip(deltas) == pytest.approx(np.mean(np.array(sums) >= abs(deltas.sum()) - 1e-9))
    # A zero changes nothing, but with 21 differences patterns are drawn rather than counted.
    twenty = np.r_[deltas, deltas[:8]]
    assert sign_flip(np.r_[twenty, 0.0], resamples=20_000) == pytest.approx(sign_flip(twenty), abs=0.02)
    assert sign_flip(np.ones(40), resamples=999) == 0.001


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="equal lengths, found 1 scores before and 2 after"):
        paired_difference([0.0], [0.0, 1.0], ["x"])


def test_a_result_prints_its_sign_interval_and_p() -> None:
    result = PairedResult(0.031, -0.004, 0.066, n=1085, clusters=7, p=0.0781, unscored=2)
    assert str(result) == "+0.031 [-0.004, +0.066], p=0.078 (n=1085 pairs, 7 conversations, 2 unscored)"


@pytest.mark.parametrize(
    ("gained", "lost", "expected"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (5, 0, 2 / 32),  # 2 * C(5,0) / 2^5
        (0, 5, 2 / 32),
        (6, 1, 16 / 128),  # 2 * (C(7,0) + C(7,1)) / 2^7
        (1, 0, 1.0),
    ],
)
def test_mcnemar_is_the_exact_two_sided_binomial(gained: int, lost: int, expected: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(expected, abs=1e-15)
