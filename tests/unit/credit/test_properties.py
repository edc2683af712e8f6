"""What every rule owes to every group: see the names. Rules are given the same arrays in the forms they take."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fairmem.credit import (
    Floats,
    GrpoCredit,
    Scale,
    broadcast,
    counterfactual,
    dr_grpo,
    gigpo,
    grpo,
    hcapo,
    logo,
    membuilder,
    per_turn,
    rloo,
    shrunk_counterfactual,
    shrunk_logo,
    tree,
    vine,
)
from fairmem.credit.group import Bools

Apply = Callable[[Floats], tuple[Floats, Bools]]
"""Rewards [G, S] -> (advantages, kept), both [G, S]."""
SESSIONS = 3


def _of(credit: GrpoCredit) -> tuple[Floats, Bools]:
    return credit.advantages_G_S, credit.kept_G_S


def _anchors(rewards_G_S: Floats) -> list[list[str]]:
    """All start together; then two halves of the rollouts are in one state each, by what they earned first."""
    return [["root", *["good" if row[0] > 0.5 else "bad"] * (SESSIONS - 1)] for row in rewards_G_S.tolist()]


def _tree(rewards_G_S: Floats, scale: Scale) -> tuple[Floats, Bools]:
    """Sessions as leaves below their rollout's node: the credit of siblings."""
    rollouts = len(rewards_G_S)
    parents = [-1] * rollouts + [node for node in range(rollouts) for _ in range(SESSIONS)]
    credit = tree(rewards_G_S.ravel(), parents, scale, floor=0.0, inter=1.0)
    shape = (rollouts, SESSIONS)
    return credit.advantages_N[rollouts:].reshape(shape), credit.kept_N[rollouts:].reshape(shape)


def _values(rewards_G_S: Floats) -> Floats:
    """Values that start equal and then are the rewards."""
    return np.hstack([np.zeros((len(rewards_G_S), 1)), rewards_G_S])


def _local(rewards_G_S: Floats, shrunk: bool) -> tuple[Floats, Bools]:
    """The columns as local groups."""
    groups = [(session, column) for session, column in enumerate(rewards_G_S.T, 1)]
    credit = (shrunk_logo if shrunk else logo)(rewards_G_S, groups, scale="mean", floor=0.0)
    return np.stack(credit.local, axis=1), np.stack(credit.local_kept, axis=1)


def _membuilder(rewards_G_S: Floats) -> tuple[Floats, Bools]:
    credit = membuilder(rewards_G_S, np.ones((*rewards_G_S.shape, 2)), scale="mean", floor=0.0)
    return credit.advantages_G_S, credit.kept_G_S


CENTRED: dict[str, Apply] = {
    "grpo": lambda r: _of(grpo(r, "mean", 0.0)),
    "dr_grpo": lambda r: _of(dr_grpo(r, 0.0)),
    "rloo": lambda r: _of(rloo(r, 0.0)),
    "broadcast": lambda r: _of(broadcast(r.mean(axis=1), SESSIONS, "mean", 0.0)),
    "per_turn": lambda r: _of(per_turn(r, 0.5, "mean", 0.0)),
    "gigpo": lambda r: _of(gigpo(r, _anchors(r), 1.0, 0.5, "loo", 0.0)),
    "tree": lambda r: _tree(r, "mean"),
    "membuilder": _membuilder,
    "logo": lambda r: _local(r, shrunk=False),
    "shrunk_logo": lambda r: _local(r, shrunk=True),
    "counterfactual": lambda r: _of(counterfactual(_values(r), "mean", 0.0)),
    "shrunk_counterfactual": lambda r: _of(shrunk_counterfactual(_values(r), "mean", 0.0)),
}
"""Rules in a scale that keeps the unit of the rewards."""
STANDARDISED: dict[str, Apply] = {
    "grpo": lambda r: _of(grpo(r, "std", 0.0)),
    "broadcast": lambda r: _of(broadcast(r.mean(axis=1), SESSIONS, "std", 0.0)),
    "per_turn": lambda r: _of(per_turn(r, 0.5, "std", 0.0)),
    "gigpo": lambda r: _of(gigpo(r, _anchors(r), 1.0, 0.5, "std", 0.0)),
    "tree": lambda r: _tree(r, "std"),
    "hcapo": lambda r: _of(hcapo(r.mean(axis=1), np.log(1 + np.abs(r)), floor=0.0)),
    "counterfactual": lambda r: _of(counterfactual(_values(r), "std", 0.0)),
}
RULES = {**CENTRED, **{f"{name}-std": rule for name, rule in STANDARDISED.items()}}

# Sixteenths are summed exactly, so that a permutation cannot move a group across the floor.
REWARDS = st.integers(2, 6).flatmap(
    lambda rollouts: arrays(np.int64, (rollouts, SESSIONS), elements=st.integers(0, 16)).map(lambda a: a / 16)
)


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=30)
@given(REWARDS, st.randoms(use_true_random=False))
def test_permuting_a_group_permutes_its_credit(name: str, rewards: Floats, random) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(rewards)))
    random.shuffle(order)
    advantages, kept = RULES[name](rewards)
    permuted, permuted_kept = RULES[name](rewards[order])
    assert permuted == pytest.approx(advantages[order], abs=1e-9)
    assert (permuted_kept == kept[order]).all()


@pytest.mark.parametrize("name", CENTRED)
@settings(max_examples=30)
@given(REWARDS)
def test_scaling_rewards_scales_centred_credit(name: str, rewards: Floats) -> None:
    if name == "gigpo":  # its states follow from the rewards here; keep them
        before = _of(gigpo(rewards, _anchors(rewards), 1.0, 0.5, "loo", 0.0))
        after = _of(gigpo(4 * rewards, _anchors(rewards), 1.0, 0.5, "loo", 0.0))
    else:
        before, after = CENTRED[name](rewards), CENTRED[name](4 * rewards)
    assert after[0] == pytest.approx(4 * before[0], abs=1e-9)
    assert (after[1] == before[1]).all()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("reward", [0.0, 0.375, 0.7])
def test_identical_memories_give_no_credit(name: str, reward: float) -> None:
    advantages, kept = RULES[name](np.full((4, SESSIONS), reward))
    assert not advantages.any() and not kept.any()


@pytest.mark.parametrize("name", [name for name in RULES if not name.startswith("tree")])
@settings(max_examples=30)
@given(REWARDS)
def test_a_rollout_without_rewards_is_left_out_and_is_no_zero(name: str, rewards: Floats) -> None:
    missing = np.vstack([rewards, np.full((1, SESSIONS), math.nan)])
    advantages, kept = RULES[name](rewards)
    with_missing, with_missing_kept = RULES[name](missing)
    assert with_missing[:-1] == pytest.approx(advantages, abs=1e-9)
    assert (with_missing_kept[:-1] == kept).all()
    assert not with_missing[-1].any() and not with_missing_kept[-1].any()


@pytest.mark.parametrize("name", [name for name in RULES if not name.startswith("tree")])
def test_a_group_of_one_gives_no_credit(name: str) -> None:
    for rewards in (np.array([[0.1, 0.5, 0.9]]), np.array([[0.1, 0.5, 0.9], [math.nan] * 3])):
        advantages, kept = RULES[name](rewards)
        assert not advantages.any() and not kept.any()


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "rloo", "per_turn", "logo", "counterfactual", "membuilder"])
@settings(max_examples=30)
@given(REWARDS)
def test_the_credit_of_a_session_sums_to_zero(name: str, rewards: Floats) -> None:
    advantages, _ = CENTRED[name](rewards)
    assert advantages.sum(axis=0) == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=30)
@given(REWARDS)
def test_vine_permutes_and_scales_with_its_values_and_is_zero_where_they_stand_still(rewards: Floats) -> None:
    zeros = np.zeros_like(rewards)
    one = vine(zeros, _values(rewards)).advantages_G_S
    assert (vine(zeros, _values(rewards[::-1])).advantages_G_S == one[::-1]).all()
    assert (vine(zeros, _values(4 * rewards)).advantages_G_S == 4 * one).all()
    assert not vine(zeros, np.full((len(rewards), SESSIONS + 1), 0.7)).advantages_G_S.any()
