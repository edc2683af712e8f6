from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import discounted_returns, gae, vine
from fairmem.errors import CreditError

REWARDS = [0.0, 0.5, 1.0]
VALUES = [0.5, 0.25, 0.75, 0.0]


def test_advantages_follow_the_recursion_worked_by_hand() -> None:
    # delta: 0 + 0.5 * 0.25 - 0.5 = -0.375;  0.5 + 0.5 * 0.75 - 0.25 = 0.625;  1 - 0.75 = 0.25
    # A3 = 0.25;  A2 = 0.625 + 0.25 * 0.25 = 0.6875;  A1 = -0.375 + 0.25 * 0.6875 = -0.203125
    advantages, returns = gae(REWARDS, VALUES, gamma=0.5, lam=0.5)
    assert advantages.tolist() == [-0.203125, 0.6875, 0.25]
    assert returns.tolist() == [0.296875, 0.9375, 1.0]


def test_lambda_zero_is_the_one_step_advantage() -> None:
    advantages, _ = gae(REWARDS, VALUES, lam=0.0)
    assert (advantages == vine([REWARDS], [VALUES]).advantages_G_S[0]).all()


def test_lambda_one_is_the_return_minus_the_value() -> None:
    advantages, returns = gae(REWARDS, VALUES, gamma=0.5, lam=1.0)
    assert np.allclose(returns, discounted_returns([REWARDS], 0.5)[0], atol=1e-15)
    assert np.allclose(advantages, returns - VALUES[:-1], atol=1e-15)


def test_a_bootstrap_value_counts_as_what_comes_after() -> None:
    (without,), _ = gae([0.5], [0.25, 0.0], gamma=0.5)
    (with_value,), _ = gae([0.5], [0.25, 1.0], gamma=0.5)
    assert (without, with_value) == (0.25, 0.75)


def test_a_missing_entry_is_missing_where_it_matters_and_nowhere_else() -> None:
    far, _ = gae([0.0, math.nan, 1.0], VALUES)
    assert np.isnan(far).tolist() == [True, True, False]
    near, _ = gae([0.0, math.nan, 1.0], VALUES, lam=0.0)
    assert np.isnan(near).tolist() == [False, True, False]


def test_no_sessions_give_no_advantages() -> None:
    advantages, returns = gae([], [0.5])
    assert advantages.shape == returns.shape == (0,)


def test_bad_input_is_refused_with_what_was_found() -> None:
    with pytest.raises(CreditError, match="one entry more than the 3 rewards, found 3"):
        gae(REWARDS, VALUES[:3])
    with pytest.raises(CreditError, match="lam must be from 0 to 1, found 1"):
        gae(REWARDS, VALUES, lam=1.5)
    with pytest.raises(CreditError, match="gamma must be"):
        gae(REWARDS, VALUES, gamma=-1)
    with pytest.raises(CreditError, match=r"values_S1 must have 1 dimension"):
        gae(REWARDS, [VALUES])
