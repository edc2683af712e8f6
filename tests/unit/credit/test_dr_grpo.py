from __future__ import annotations

import math

from fairmem.credit import dr_grpo, grpo


def test_rewards_are_centred_and_not_divided() -> None:
    # Session 1: mean 0.5. Session 2: 0.25 and 0.75, mean 0.5; the third has no reward there.
    credit = dr_grpo([[0.0, 0.25], [0.5, 0.75], [1.0, math.nan]])
    assert credit.advantages_G_S.tolist() == [[-0.5, -0.25], [0.0, 0.25], [0.5, 0.0]]
    assert credit.kept_G_S[2].tolist() == [True, False]


def test_a_group_split_by_a_hair_keeps_its_small_say() -> None:
    # With std both sessions would get the same +-0.7071.
    credit = dr_grpo([[0.0, 0.50], [1.0, 0.52]])
    assert abs(credit.advantages_G_S[1, 1] - 0.01) < 1e-12 and credit.advantages_G_S[1, 0] == 0.5
    assert abs(grpo([[0.0, 0.50], [1.0, 0.52]]).advantages_G_S[1] - math.sqrt(0.5)).max() < 1e-12
