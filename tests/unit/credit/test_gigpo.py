from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import broadcast, gigpo
from fairmem.errors import CreditError

REWARDS = [[0.0, 0.5], [1.0, 0.0], [0.5, 1.0]]
ANCHORS = [["root", "a"], ["root", "b"], ["root", "a"]]


def test_the_step_term_compares_rollouts_that_were_in_one_state() -> None:
    credit = gigpo(REWARDS, ANCHORS, omega=0.5, gamma=0.5, scale="mean")
    # Episode: 0.5, 1, 1.5; mean 1: -0.5, 0, 0.5.
    # Session 1, all in "root": returns 0.25, 1, 1; mean 0.75: -0.5, 0.25, 0.25, half of that is added.
    # Session 2, 1st and 3rd in "a": 0.5 and 1: -0.25, 0.25. The 2nd is alone in "b".
    assert credit.advantages_G_S.tolist() == [[-0.75, -0.625], [0.125, 0.0], [0.625, 0.625]]
    assert credit.kept_G_S.all()
    counts = credit.diagnostics
    assert (counts.global_groups.formed, counts.local_groups.formed, counts.local_groups.members) == (1, 2, 5)


def test_without_the_step_term_or_without_equal_states_it_is_broadcast() -> None:
    plain = broadcast(np.sum(REWARDS, axis=1), 2)
    assert (gigpo(REWARDS, ANCHORS, omega=0.0).advantages_G_S == plain.advantages_G_S).all()
    apart = [["a", "d"], ["b", "e"], ["c", "f"]]
    assert (gigpo(REWARDS, apart).advantages_G_S == plain.advantages_G_S).all()


def test_equal_states_of_different_sessions_are_not_compared() -> None:
    # "x" before session 1 of one and before session 2 of the other: two states, since the sessions differ.
    credit = gigpo([[0.0, 0.0], [1.0, 1.0]], [["x", "y"], ["z", "x"]])
    assert credit.diagnostics.local_groups.formed == 0


def test_an_unknown_state_is_compared_with_nobody() -> None:
    assert gigpo([[0.0], [1.0]], [[""], [""]]).diagnostics.local_groups.formed == 0


def test_a_step_group_gives_credit_where_the_episodes_are_even() -> None:
    # Totals 1 and 1; from session 2 on 1 and 0.
    credit = gigpo([[0.0, 1.0], [1.0, 0.0]], [["r", "r"], ["r", "r"]], gamma=1.0, scale="mean")
    assert credit.advantages_G_S.tolist() == [[0.0, 0.5], [0.0, -0.5]]
    assert credit.kept_G_S.tolist() == [[False, True], [False, True]]


def test_a_rollout_with_a_missing_reward_is_left_out_where_it_counts() -> None:
    credit = gigpo([[0.0, 0.5], [math.nan, 0.0], [1.0, 1.0]], ANCHORS, gamma=1.0, scale="mean")
    # Episodes 0.5, missing, 2: -0.75, 0.75. Roots likewise: 0.5 and 2.
    assert credit.advantages_G_S[:, 0].tolist() == [-1.5, 0.0, 1.5]
    assert credit.kept_G_S[1].tolist() == [False, False]


def test_bad_input_is_refused_with_what_was_found() -> None:
    with pytest.raises(CreditError, match=r"shape of the rewards \(3, 2\), found \(2, 2\)"):
        gigpo(REWARDS, ANCHORS[:2])
    with pytest.raises(CreditError, match="omega must be 0 or more and finite, found -1"):
        gigpo(REWARDS, ANCHORS, omega=-1)
