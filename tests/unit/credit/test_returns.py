from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import discounted_returns
from fairmem.errors import CreditError

NAN = math.nan


def test_returns_are_summed_from_the_end_with_a_discount() -> None:
    # From the back: 1; 0 + 0.5 * 1 = 0.5; 0.25 + 0.5 * 0.5 = 0.5.
    assert discounted_returns([[0.25, 0.0, 1.0]], 0.5).tolist() == [[0.5, 0.5, 1.0]]
    assert discounted_returns([[0.25, 0.0, 1.0]]).tolist() == [[1.25, 1.0, 1.0]]


def test_a_session_nobody_is_scored_on_adds_nothing_but_time() -> None:
    # 0.25 + 0.5 * (nothing + 0.5 * 1) = 0.5; the return from the unscored session on is 0.5 * 1.
    found = discounted_returns([[0.25, NAN, 1.0], [0.5, NAN, 0.0]], 0.5)
    assert found.tolist() == [[0.5, 0.5, 1.0], [0.5, 0.0, 0.0]]


def test_a_reward_that_others_have_is_missing_from_every_return_before_it() -> None:
    found = discounted_returns([[0.25, 0.5, 1.0], [0.25, NAN, 1.0]])
    assert found[0].tolist() == [1.75, 1.5, 1.0]
    assert np.isnan(found[1]).tolist() == [True, True, False]


def test_after_the_last_scored_session_there_is_no_return() -> None:
    found = discounted_returns([[0.5, NAN], [0.25, NAN]])
    assert np.isnan(found[:, 1]).all() and found[:, 0].tolist() == [0.5, 0.25]


@pytest.mark.parametrize("gamma", [-0.1, 1.1, NAN])
def test_a_discount_out_of_range_is_refused(gamma: float) -> None:
    with pytest.raises(CreditError, match="gamma must be from 0 to 1"):
        discounted_returns([[1.0]], gamma)
