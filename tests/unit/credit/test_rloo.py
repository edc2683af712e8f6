from __future__ import annotations

import math

import numpy as np

from fairmem.credit import dr_grpo, rloo


def test_each_is_compared_with_the_mean_of_the_others() -> None:
    # 0 - (0.5 + 1) / 2 = -0.75;  0.5 - 0.5 = 0;  1 - 0.25 = 0.75. In session 2 two have a reward: 0.2 - 0.6, 0.6 - 0.2.
    credit = rloo([[0.0, 0.2], [0.5, math.nan], [1.0, 0.6]])
    assert np.allclose(credit.advantages_G_S, [[-0.75, -0.4], [0.0, 0.0], [0.75, 0.4]], atol=1e-15)


def test_it_is_the_centred_credit_times_the_group_over_one_less() -> None:
    rewards = np.random.default_rng(0).random((4, 3))
    assert np.allclose(rloo(rewards).advantages_G_S, 4 / 3 * dr_grpo(rewards).advantages_G_S)
