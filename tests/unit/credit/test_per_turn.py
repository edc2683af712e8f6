from __future__ import annotations

import math

import numpy as np

from fairmem.credit import grpo, per_turn


def test_a_session_is_credited_with_what_came_from_it_on() -> None:
    # Returns: (0.5 + 0.25, 0.25) and (0 + 0.75, 0.75). Session 1 is even; session 2: mean 0.5.
    credit = per_turn([[0.5, 0.25], [0.0, 0.75]], scale="mean")
    assert credit.advantages_G_S.tolist() == [[0.0, -0.25], [0.0, 0.25]]
    assert credit.kept_G_S.tolist() == [[False, True], [False, True]]


def test_a_discount_lets_a_session_answer_more_for_itself() -> None:
    # With gamma 0.5: 0.5 + 0.125 = 0.625 and 0 + 0.375 = 0.375; mean 0.5.
    credit = per_turn([[0.5, 0.25], [0.0, 0.75]], gamma=0.5, scale="mean")
    assert credit.advantages_G_S[:, 0].tolist() == [0.125, -0.125]


def test_what_was_earned_before_is_not_credited() -> None:
    before = per_turn([[0.0, 0.2], [0.0, 0.6]], scale="mean").advantages_G_S[:, 1]
    assert (per_turn([[1.0, 0.2], [0.3, 0.6]], scale="mean").advantages_G_S[:, 1] == before).all()


def test_with_gamma_zero_it_is_grpo() -> None:
    rewards = np.array([[0.1, math.nan, 0.3], [0.4, math.nan, 0.2], [0.9, math.nan, 0.8]])
    # A session without questions has the empty return, the same for all: dropped as even, not as unscored.
    assert (per_turn(rewards, 0.0).advantages_G_S == grpo(rewards).advantages_G_S).all()


def test_a_missing_reward_leaves_the_rollout_out_up_to_there() -> None:
    credit = per_turn([[0.0, 0.5], [1.0, 0.5], [0.5, math.nan]], scale="mean")
    # Returns of session 1: 0.5, 1.5, missing; mean 1.
    assert credit.advantages_G_S[:, 0].tolist() == [-0.5, 0.5, 0.0]
    assert credit.kept_G_S[:, 0].tolist() == [True, True, False]
