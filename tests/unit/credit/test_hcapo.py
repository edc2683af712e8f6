from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import broadcast, hcapo
from fairmem.errors import CreditError

NAN = math.nan


def test_a_likely_step_gets_more_and_a_discount_counts_from_the_rollouts_last_step() -> None:
    # temperature 1: p = 1, 1/3, mean 2/3: ratios 1.5 and 0.5, clipped to 1.2 and 0.8. The other has even steps: 1.
    logp = [[0.0, math.log(1 / 3)], [-0.7, -0.7]]
    credit = hcapo([1.0, 0.5], logp, gamma=0.5, temperature=1.0, scale="mean")
    # Q: 1.2 * 0.5, 0.8 | 0.25, 0.5 = 0.6, 0.8, 0.25, 0.5: mean 0.5375.
    # Squares: 0.00390625 + 0.06890625 + 0.08265625 + 0.00140625 = 0.156875; std sqrt(0.156875 / 3) = 0.228674
    # z: 0.2733, 1.1479, -1.2572, -0.1640. Group: 0.25 and -0.25.
    assert np.allclose(credit.advantages_G_S, [[0.5233, 1.3979], [-1.5072, -0.4140]], atol=5e-5)
    assert credit.kept_G_S.all()


def test_the_temperature_evens_out_what_hindsight_tells_apart() -> None:
    # 2 log 1/2 at temperature 2: p = 1, 1/2, mean 3/4: ratios 4/3 and 2/3, within these bounds.
    credit = hcapo(
        [1.0, 0.0], [[0.0, 2 * math.log(0.5)], [0.0, 0.0]], gamma=1.0, clip=(0.5, 1.5), temperature=2.0, scale="mean"
    )
    # Q: 4/3, 2/3, 0, 0: mean 1/2; squares 25/36 + 1/36 + 1/4 + 1/4 = 11/9; std sqrt(11/27) = 0.638285.
    # z: (5/6, 1/6, -1/2, -1/2) / 0.638285 = 1.305580, 0.261116, -0.783349. Group: 0.5 and -0.5.
    assert np.allclose(credit.advantages_G_S, [[1.80558, 0.761116], [-1.283349, -1.283349]], atol=1e-5)


def test_a_negative_second_term_does_no_harm_to_a_success() -> None:
    # gamma 1, even steps: Q of the first 0.5 twice, of the second 0.1; add an unlikely step to the first.
    logp = [[0.0, -9.0], [0.0, 0.0]]
    credit = hcapo([0.5, 0.45], logp, gamma=1.0, temperature=1.0, scale="mean")
    # Q: 0.6, 0.4 | 0.45, 0.45: mean 0.475. The second step of the better rollout is below it: nothing is taken off.
    assert credit.advantages_G_S[0, 1] == pytest.approx(0.025)
    assert credit.advantages_G_S[0, 0] > 0.025 and (credit.advantages_G_S[1] < -0.025).all()


def test_without_the_second_term_it_is_broadcast() -> None:
    rewards, logp = [0.1, 0.4, NAN], [[-1.0, -2.0], [-3.0, -0.5], [-1.0, -1.0]]
    assert (hcapo(rewards, logp, omega=0.0).advantages_G_S == broadcast(rewards, 2).advantages_G_S).all()


def test_a_step_that_is_not_there_has_no_credit_and_does_not_count() -> None:
    short = hcapo([1.0, 0.0], [[-1.0, NAN], [-1.0, -1.0]], gamma=0.5)
    assert short.kept_G_S.tolist() == [[True, False], [True, True]]
    # The last step of the first rollout is its first: no discount, Q = 1 against 0 and 0.
    assert short.advantages_G_S[0, 0] == pytest.approx(math.sqrt(0.5) + 2 / math.sqrt(3))


def test_a_group_without_contrast_gives_no_credit_whatever_hindsight_says() -> None:
    credit = hcapo([0.5, 0.5], [[-1.0, -5.0], [-2.0, -0.1]])
    assert not credit.kept_G_S.any() and not credit.advantages_G_S.any()


def test_bad_input_is_refused_with_what_was_found() -> None:
    with pytest.raises(CreditError, match="a row for each of 2 rewards, found 1"):
        hcapo([0.0, 1.0], [[0.0]])
    with pytest.raises(CreditError, match="temperature above 0"):
        hcapo([0.0], [[0.0]], temperature=0.0)
    with pytest.raises(CreditError, match="clip must hold 1 between its bounds"):
        hcapo([0.0], [[0.0]], clip=(1.1, 1.2))
