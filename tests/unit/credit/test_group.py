from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmem.credit import GroupOutcome, Scale, group_centred
from fairmem.errors import CreditError

REWARDS = st.lists(st.floats(-1, 1, width=16), min_size=2, max_size=12)


def test_std_scale_gives_the_arrays_worked_by_hand() -> None:
    # mean 0.5; squared deviations 0.25, 0, 0.25; unbiased variance 0.5 / 2 = 0.25; std 0.5.
    group = group_centred([0.0, 0.5, 1.0], "std")
    assert group.advantages.tolist() == [-1.0, 0.0, 1.0]
    assert group.kept.tolist() == [True, True, True]
    assert group.outcome is GroupOutcome.KEPT


def test_mean_scale_gives_the_arrays_worked_by_hand() -> None:
    assert group_centred([0.0, 0.5, 1.0], "mean").advantages.tolist() == [-0.5, 0.0, 0.5]


def test_leave_one_out_scale_gives_the_arrays_worked_by_hand() -> None:
    # 0 - (0.5 + 1) / 2 = -0.75;  0.5 - (0 + 1) / 2 = 0;  1 - (0 + 0.5) / 2 = 0.75
    assert group_centred([0.0, 0.5, 1.0], "loo").advantages.tolist() == [-0.75, 0.0, 0.75]


def test_a_missing_reward_is_left_out_and_is_not_a_zero() -> None:
    # Without the nan: mean 0.75, deviations +-0.25. With the nan read as 0 the first would get +0.16...
    group = group_centred([0.5, math.nan, 1.0], "mean")
    assert group.advantages.tolist() == [-0.25, 0.0, 0.25]
    assert group.kept.tolist() == [True, False, True]


@pytest.mark.parametrize("scale", ["std", "mean", "loo"])
@pytest.mark.parametrize("reward", [0.0, 0.1, 0.7, 1 / 3])  # fsum([0.1] * 3) / 3 is not 0.1
def test_two_identical_banks_earn_zero_credit_and_the_group_is_dropped(scale: Scale, reward: float) -> None:
    group = group_centred([reward] * 3, scale, floor=0.0)
    assert group.advantages.tolist() == [0.0] * 3
    assert not group.kept.any()
    assert group.outcome is GroupOutcome.ZERO_VARIANCE


def test_a_group_whose_rewards_differ_by_rounding_only_is_dropped() -> None:
    assert group_centred([0.3, 0.1 + 0.2], "std").outcome is GroupOutcome.ZERO_VARIANCE


def test_a_group_below_the_floor_is_dropped_and_one_above_it_is_kept() -> None:
    # Unbiased std of (0, 0.1) is 0.1 / sqrt(2) = 0.0707.
    assert group_centred([0.0, 0.1], "mean", floor=0.08).outcome is GroupOutcome.ZERO_VARIANCE
    assert group_centred([0.0, 0.1], "mean", floor=0.07).outcome is GroupOutcome.KEPT


@pytest.mark.parametrize("rewards", [[0.8], [0.8, math.nan, math.nan]])
def test_a_group_of_one_earns_no_advantage(rewards: list[float]) -> None:
    group = group_centred(rewards)
    assert group.outcome is GroupOutcome.TOO_FEW_SCORED
    assert not group.advantages.any() and not group.kept.any()


@pytest.mark.parametrize("rewards", [[], [math.nan, math.nan]])
def test_a_group_without_a_score_is_unscored(rewards: list[float]) -> None:
    assert group_centred(rewards).outcome is GroupOutcome.UNSCORED


@given(REWARDS, st.sampled_from([0.25, 2.0, 8.0]))
def test_scaling_rewards_scales_centred_credit_and_leaves_standardised_credit_unchanged(
    rewards: list[float], factor: float
) -> None:
    # Factors are powers of two, so scaling is exact in floating point.
    scaled = (np.array(rewards) * factor).tolist()
    for scale in ("mean", "loo"):
        before, after = group_centred(rewards, scale, floor=0.0), group_centred(scaled, scale, floor=0.0)
        assert (after.advantages == factor * before.advantages).all()
    before, after = group_centred(rewards, "std", floor=0.0), group_centred(scaled, "std", floor=0.0)
    assert after.advantages == pytest.approx(before.advantages, abs=1e-12)


@given(REWARDS, st.sampled_from(["std", "mean", "loo"]), st.randoms(use_true_random=False))
def test_permuting_a_group_permutes_its_credit_exactly(rewards: list[float], scale: Scale, random) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(rewards)))
    random.shuffle(order)
    permuted = group_centred([rewards[i] for i in order], scale).advantages
    assert permuted.tolist() == group_centred(rewards, scale).advantages[order].tolist()


@given(REWARDS, st.sampled_from(["std", "mean", "loo"]))
def test_credit_of_a_group_sums_to_zero(rewards: list[float], scale: Scale) -> None:
    assert group_centred(rewards, scale).advantages.sum() == pytest.approx(0.0, abs=1e-9)


def test_bad_input_is_refused_with_what_was_found() -> None:
    with pytest.raises(CreditError, match=r"1 dimension\(s\), found shape \(1, 2\)"):
        group_centred([[0.0, 1.0]])
    with pytest.raises(CreditError, match="infinite reward"):
        group_centred([0.0, math.inf])
    with pytest.raises(CreditError, match="unknown scale 'max'"):
        group_centred([0.0, 1.0], "max")  # type: ignore[arg-type]
    with pytest.raises(CreditError, match="must be numbers"):
        group_centred(["good", "bad"])
    with pytest.raises(CreditError, match="floor"):
        group_centred([0.0, 1.0], floor=-1.0)
