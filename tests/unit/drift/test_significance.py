from __future__ import annotations

import math

import pytest

from fairmem.drift.significance import benjamini_hochberg, equivalence, holm
from fairmem.metrics import mcnemar


@pytest.mark.parametrize(
    ("first", "second", "p"),
    # n = 7, one against six: 2 (1 + 7) / 128. n = 5, none: 2 / 32. Even sides are capped at 1.
    [(1, 6, 0.125), (0, 5, 0.0625), (5, 0, 0.0625), (3, 3, 1.0), (0, 0, 1.0)],
)
def test_mcnemar_is_a_coin_over_discordant_pairs(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == p


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04 raised to 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    found = holm([0.02, math.nan, 0.9])
    assert found[0] == 0.04 and math.isnan(found[1]) and found[2] == 0.9


def test_benjamini_hochberg_divides_by_the_rank_and_never_rises() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4/1, 4/2, 4/3, 4/4: 0.02, 0.02, 0.04, 0.04.
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_equivalence_needs_the_interval_inside_the_margin() -> None:
    # Mean 0.1, sd 0.1, n = 4: se 0.05, t(0.95, 3) = 2.35336: 0.1 +- 0.11767.
    values = [0.0, 0.1, 0.1, 0.2]
    sd = math.sqrt(0.02 / 3)
    reach = 2.35336 * sd / 2
    found = equivalence(values, 0.25)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1 - reach, 0.1 + reach), abs=1e-5)
    assert found.shown and found.high < 0.25
    assert not equivalence(values, 0.15).shown
    assert not equivalence([0.3, 0.3], 0.25).shown and equivalence([0.2, 0.2], 0.25).shown
    assert not equivalence([0.0], 0.25).shown
