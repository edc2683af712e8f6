"""PPO's credit turn by turn: the recursion by hand, what is missing, and the way from a tree to turns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import CreditConfig, Track, assign, discounted_returns, ppo
from fairmem.errors import CreditError
from fairmem.trace import Branch, EpisodeTree, Role, RoleTurn, SessionReward

REWARDS = [0.0, 1.0, 0.0, 2.0]
VALUES = [0.5, 0.5, 1.0, 1.0]


def track(rewards: list[float] = REWARDS, values: list[float] = VALUES) -> Track:
    return Track(np.array(rewards), np.array(values))


@pytest.mark.parametrize(
    ("lam", "advantages"),
    [
        # delta: 0 + 0.5 - 0.5 = 0;  1 + 1 - 0.5 = 1.5;  0 + 1 - 1 = 0;  2 + 0 - 1 = 1
        (0.0, [0.0, 1.5, 0.0, 1.0]),
        # backwards with 1/2: 1;  0 + 1/2;  1.5 + 1/4;  0 + 7/8
        (0.5, [0.875, 1.75, 0.5, 1.0]),
        # returns 3, 3, 2, 2 less the values
        (1.0, [2.5, 2.5, 1.0, 1.0]),
    ],
)
def test_advantages_of_a_rollout_follow_the_recursion_worked_by_hand(lam: float, advantages: list[float]) -> None:
    (credit,) = ppo([track()], lam=lam, whiten=False)
    assert credit.advantages_U.tolist() == advantages
    assert credit.returns_U.tolist() == [a + v for a, v in zip(advantages, VALUES, strict=True)]
    assert credit.kept_U.all()


def test_with_lambda_one_the_target_is_the_monte_carlo_return() -> None:
    (credit,) = ppo([track()], gamma=0.5, lam=1.0)
    assert np.allclose(credit.returns_U, discounted_returns([REWARDS], 0.5)[0], atol=1e-15)


def test_whitened_advantages_have_mean_zero_and_deviation_one_over_all_rollouts() -> None:
    first, second = ppo([track(), track([1.0], [0.25])], lam=0.0)
    # 0, 1.5, 0, 1 and 0.75: mean 0.65, mean of squares (2.25 + 1 + 0.5625) / 5 = 0.7625, variance 0.34
    assert np.allclose(first.advantages_U, (np.array([0.0, 1.5, 0.0, 1.0]) - 0.65) / math.sqrt(0.34))
    assert np.allclose(second.advantages_U, 0.1 / math.sqrt(0.34))
    assert second.returns_U.tolist() == [1.0]


def test_a_reward_that_is_missing_takes_the_credit_of_the_turns_that_rest_on_it() -> None:
    (credit,) = ppo([track([0.0, math.nan, 0.0, 2.0])], lam=0.5, whiten=False)
    assert credit.kept_U.tolist() == [False, False, True, True]
    assert credit.advantages_U.tolist() == [0.0, 0.0, 0.5, 1.0]


def test_a_critic_that_went_astray_is_an_error() -> None:
    with pytest.raises(CreditError, match="value of the critic is not finite"):
        ppo([track([1.0], [math.inf])])


def turn(session: int, chunk: int, role: Role) -> RoleTurn:
    return RoleTurn(id=f"{role}-{session}.{chunk}", role=role, session=session, chunk=chunk, prompt="", prompt_hash="")


def branch(index: int, *rewards: SessionReward) -> Branch:
    # As the waves leave them: everything is extracted before anything is managed.
    turns = [turn(s, c, role) for role in ("extractor", "manager") for s in (1, 2) for c in (0, 1)]
    return Branch(id=f"g{index}", kind="global", member=index, turns=tuple(turns), rewards=rewards)


def test_a_session_pays_its_last_manager_turn_and_the_turns_before_it_hear_of_it() -> None:
    earned = (
        SessionReward(session=1, parts={"answer": 1.0}, questions=2),
        SessionReward(session=2, parts={"answer": None}, questions=0),
    )
    tree = EpisodeTree(
        conversation="c", sessions=2, step=0, policy_version=0, seed=0, branches=(branch(0, *earned), branch(1))
    )
    values = {(b.id, t.id): 0.25 for b in tree.branches for t in b.turns}
    settings = CreditConfig(rule="ppo", scale="mean", gae_lambda=0.0)
    credit = assign(tree, settings=settings, critic=values)
    found = {key: value.advantage for key, value in credit.turns.items() if key[0] == "g0"}
    # 0.25 is expected before every turn and 0 after the last; the reward 1 comes with the last turn of session 1.
    # Session 2, about which nothing is asked, earns 0.
    assert found == {
        **{("g0", f"{role}-1.{chunk}"): 0.0 for role in ("extractor", "manager") for chunk in (0, 1)},
        **{("g0", f"{role}-2.{chunk}"): 0.0 for role in ("extractor", "manager") for chunk in (0, 1)},
        ("g0", "manager-1.1"): 1.0,
        ("g0", "manager-2.1"): -0.25,
    }
    assert credit.judged["g0", "manager-1.1"] == (0.25, 1.25)
    assert set(credit.groups.values()) == {"c/turns"}


def test_a_score_that_could_not_be_had_is_no_zero() -> None:
    failed = SessionReward(session=2, parts={"answer": None}, questions=1)
    tree = EpisodeTree(conversation="c", sessions=2, step=0, policy_version=0, seed=0, branches=(branch(0, failed),))
    values = {("g0", t.id): 0.0 for t in tree.branches[0].turns}
    credit = assign(tree, settings=CreditConfig(rule="ppo", scale="mean", gae_lambda=0.5), critic=values)
    assert credit.turns == {}


def test_the_rule_without_values_is_an_error() -> None:
    tree = EpisodeTree(conversation="c", sessions=2, step=0, policy_version=0, seed=0, branches=(branch(0),))
    with pytest.raises(CreditError, match="needs the values of a critic"):
        assign(tree, "ppo")
    with pytest.raises(CreditError, match="a value for none of its turns"):
        assign(tree, "ppo", critic={})


def test_a_frozen_role_takes_no_steps_and_a_session_without_a_step_pays_the_one_before() -> None:
    earned = (
        SessionReward(session=1, parts={"answer": 0.5}, questions=2),
        SessionReward(session=2, parts={"answer": 1.0}, questions=2),
    )
    tree = EpisodeTree(conversation="c", sessions=2, step=0, policy_version=0, seed=0, branches=(branch(0, *earned),))
    # Only the managers of session 1 learn; nothing was decided in session 2, so its reward follows their last step.
    values = {("g0", "manager-1.0"): 0.5, ("g0", "manager-1.1"): 1.0}
    credit = assign(tree, settings=CreditConfig(rule="ppo", scale="mean", gae_lambda=1.0), critic=values)
    assert {turn: value.advantage for (_, turn), value in credit.turns.items()} == {
        "manager-1.0": 1.0,  # 0.5 + 1 - 0.5
        "manager-1.1": 0.5,  # 0.5 + 1 - 1
    }
