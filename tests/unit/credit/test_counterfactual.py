from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import counterfactual, shrunk_counterfactual
from fairmem.credit.group import Scale

VALUES = [[0.0, 0.25, 0.25, 1.0], [0.0, 0.75, 0.75, 0.75]]
"""Gains 0.25, 0, 0.75 and 0.75, 0, 0."""


def test_gains_are_compared_with_the_gains_of_the_others() -> None:
    # Session 1: 0.25 and 0.75, mean 0.5. Session 2: none gained, dropped. Session 3: 0.75 and 0.
    credit = counterfactual(VALUES)
    assert credit.advantages_G_S.tolist() == [[-0.25, 0.0, 0.375], [0.25, 0.0, -0.375]]
    assert credit.kept_G_S.tolist() == [[True, False, True]] * 2
    assert credit.diagnostics.global_groups.zero_variance == 1


def test_what_the_memory_was_worth_before_does_not_matter() -> None:
    rich, poor = [0.5, 0.75], [0.0, 0.25]
    # Both gained a quarter; compared by the value at the end the rich would win by a half.
    assert not counterfactual([rich, poor]).advantages_G_S.any()
    assert counterfactual([rich, [0.0, 0.75]]).advantages_G_S.tolist() == [[-0.25], [0.25]]


def test_a_missing_value_leaves_the_rollout_out_of_the_sessions_next_to_it() -> None:
    credit = counterfactual([[0.0, math.nan, 0.5], [0.0, 0.25, 0.5], [0.0, 0.75, 1.0]])
    assert credit.kept_G_S.tolist() == [[False, False], [True, False], [True, False]]
    # Session 2: both that have values gained 0.25.
    assert credit.advantages_G_S[:, 0].tolist() == [0.0, -0.25, 0.25]


def test_the_mixture_weighs_now_and_later_by_their_measured_variances() -> None:
    # Session 1: gains now 0 and 1, variance 0.5; up to the end 0 and 3, variance 4.5.
    # b = 0.5 / 5 = 0.1: mixtures 0 and 0.9 * 1 + 0.1 * 3 = 1.2, centred -0.6 and 0.6.
    # Session 2: now and later are one: 0 and 2, centred -1 and 1.
    credit = shrunk_counterfactual([[0.0, 0.0, 0.0], [0.0, 1.0, 3.0]], prior=0.0)
    assert np.allclose(credit.advantages_G_S, [[-0.6, -1.0], [0.6, 1.0]], atol=1e-12)


def test_where_later_sessions_do_not_differ_the_mixture_is_the_plain_rule() -> None:
    # Everything differs in session 1 alone, so the gain now and up to the end are one.
    values = [[0.0, 0.2, 0.2], [0.0, 0.8, 0.8], [0.0, 0.5, 0.5]]
    assert np.allclose(shrunk_counterfactual(values).advantages_G_S, counterfactual(values).advantages_G_S)


@pytest.mark.parametrize("scale", ["std", "mean", "loo"])
def test_a_harm_that_shows_later_reaches_the_session_that_did_it_through_the_mixture(scale: Scale) -> None:
    # The second rollout's session 1 looks equally good, but costs it session 2.
    values = [[0.0, 0.5, 1.0], [0.0, 0.5, 0.25], [0.0, 0.4, 0.9], [0.0, 0.6, 1.1]]
    plain, mixed = counterfactual(values, scale), shrunk_counterfactual(values, scale)
    assert abs(plain.advantages_G_S[1, 0]) < 1e-12 and mixed.advantages_G_S[1, 0] < -0.01


def test_values_that_never_change_give_no_credit() -> None:
    for rule in (counterfactual, shrunk_counterfactual):
        credit = rule(np.full((3, 4), 0.5))
        assert not credit.advantages_G_S.any() and not credit.kept_G_S.any()
