"""Every rule of the lab gives the credit of the function of `fairmem.credit` that a trainer calls."""

from __future__ import annotations

import numpy as np
import pytest

from fairmem import credit
from fairmem.credit import Scale
from fairmem.lab import batched, whole
from fairmem.lab.bench import Bench
from fairmem.lab.world import Floats
from tests.unit.lab.build import bench_of


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Three estimates of five rollouts over ten sessions: some sessions have no question at the end."""
    found = bench_of(10, estimates=3, rollouts=5)
    assert np.isnan(whole.session_rewards(found)).any()
    return found


@pytest.mark.parametrize("scale", ["std", "mean", "loo"])
def test_groups_are_centred_as_one_by_one(scale: Scale) -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(40, 5))
    rewards[rng.random(rewards.shape) < 0.4] = np.nan
    rewards[:4] = 0.3  # equal
    rewards[4:8] = [0.3, 0.3 + 1e-9, np.nan, 0.3, 0.3]  # equal but for rounding
    rewards[8] = np.nan
    rewards[9] = [np.nan, 0.2, np.nan, np.nan, np.nan]
    single = [credit.group_centred(group, scale).advantages for group in rewards]
    np.testing.assert_allclose(batched.centred(rewards, scale), single, atol=1e-12)
    assert np.count_nonzero(single) > 50


@pytest.mark.parametrize("scale", ["std", "mean", "loo"])
def test_grpo_dr_grpo_and_rloo(bench: Bench, scale: Scale) -> None:
    rewards = whole.session_rewards(bench)
    rules = {"std": credit.grpo, "mean": credit.dr_grpo, "loo": credit.rloo}
    expected = [rules[scale](rewards_G_S).advantages_G_S for rewards_G_S in rewards]
    np.testing.assert_allclose(batched.grpo(rewards, scale), expected, atol=1e-9)


def test_broadcast(bench: Bench) -> None:
    returns = whole.returns(bench)
    expected = [credit.broadcast(rewards_G, bench.horizon).advantages_G_S for rewards_G in returns]
    found = np.repeat(batched.centred(returns, "std")[:, :, None], bench.horizon, axis=2)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_per_turn_with_sessions_without_a_question(bench: Bench) -> None:
    rewards = whole.session_rewards(bench)
    found = batched.grpo(batched.discounted_returns(rewards, 1.0), "std")
    np.testing.assert_allclose(found, [credit.per_turn(r).advantages_G_S for r in rewards], atol=1e-9)
    discounted = batched.discounted_returns(rewards, 0.9)
    np.testing.assert_allclose(discounted, [credit.discounted_returns(r, 0.9) for r in rewards], atol=1e-12)


@pytest.mark.parametrize("scale", ["std", "mean", "loo"])
def test_gigpo(bench: Bench, scale: Scale) -> None:
    rewards = whole.session_rewards(bench)
    anchors = np.random.default_rng(0).integers(3, size=rewards.shape)
    expected = [credit.gigpo(r, a, scale=scale).advantages_G_S for r, a in zip(rewards, anchors, strict=True)]
    np.testing.assert_allclose(batched.gigpo(rewards, anchors, scale), expected, atol=1e-9)


def test_gae(bench: Bench) -> None:
    returns = whole.returns(bench)
    values = np.random.default_rng(0).normal(size=(*returns.shape, bench.horizon + 1))
    rewards = np.zeros((*returns.shape, bench.horizon))
    rewards[:, :, -1] = returns
    expected = [
        [credit.gae(r, v, lam=0.8)[0] for r, v in zip(rewards[b], values[b], strict=True)] for b in range(len(returns))
    ]
    np.testing.assert_allclose(batched.gae(returns, values, 0.8), expected, atol=1e-12)


def state_values(bench: Bench) -> Floats:
    return np.moveaxis(bench.rollouts.hindsight_S1_N[:, bench.columns(bench.group)], 0, -1)


def test_vine_and_counterfactual(bench: Bench) -> None:
    values = state_values(bench)
    zeros = np.zeros(values[0, :, 1:].shape)
    np.testing.assert_allclose(np.diff(values), [credit.vine(zeros, v).advantages_G_S for v in values], atol=1e-12)
    expected = [credit.counterfactual(v, "std").advantages_G_S for v in values]
    np.testing.assert_allclose(batched.counterfactual(values, "std"), expected, atol=1e-9)


def test_shrunk_counterfactual(bench: Bench) -> None:
    values = state_values(bench)
    expected = [credit.shrunk_counterfactual(v).advantages_G_S for v in values]
    np.testing.assert_allclose(batched.shrunk_counterfactual(values, "mean"), expected, atol=1e-9)


def test_membuilder(bench: Bench) -> None:
    rewards = whole.session_rewards(bench)
    used = np.random.default_rng(0).integers(3, size=(*rewards.shape, 4))
    used[0, 0, 0] = 0
    expected = [credit.membuilder(r, u).weights_G_S_K for r, u in zip(rewards, used, strict=True)]
    np.testing.assert_array_equal(batched.membuilder_weights(used), expected)


def test_hcapo(bench: Bench) -> None:
    returns = whole.returns(bench)
    returns[0] = 0.25  # no contrast: no credit
    logp = np.log(np.random.default_rng(0).uniform(0.01, 1, size=(*returns.shape, bench.horizon)))
    expected = [credit.hcapo(r, lp).advantages_G_S for r, lp in zip(returns, logp, strict=True)]
    np.testing.assert_allclose(batched.hcapo(returns, logp, "std"), expected, atol=1e-9)
    assert not np.any(expected[0]) and np.all(expected[1])


def test_shrunk_logo(bench: Bench) -> None:
    rewards = whole.session_rewards(bench)
    rng = np.random.default_rng(0)
    local = 0.1 * rng.normal(size=(3, 6, 4))
    local[:, 0] = 0.5  # no contrast: not measured by
    local[:, 1, 0] = np.nan
    expected = [
        credit.shrunk_logo(r, [(1, group) for group in groups]).local_weight
        for r, groups in zip(rewards, local, strict=True)
    ]
    np.testing.assert_allclose(batched.shrunk_local_weight(rewards, local), expected, atol=1e-9)
    assert all(1.0 < weight <= 10.0 for weight in expected)
    assert batched.shrunk_local_weight(rewards, np.full((3, 2, 4), 0.5)).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("inter", [0.0, 1.0])
def test_tree(inter: float) -> None:
    # Three roots with two children each; a node of the first depth has two leaves.
    leaves = np.random.default_rng(0).normal(size=(2, 3, 2))
    parents = [-1, -1, -1, 0, 0, 1, 1, 2, 2]
    for estimate in range(2):
        expected = credit.tree(leaves[estimate].ravel(), parents, inter=inter).advantages_N
        roots = batched.tree_level(leaves.mean(axis=2)[:, None], "std", inter)
        np.testing.assert_allclose(roots[estimate].ravel(), expected[:3], atol=1e-9)
        children = batched.tree_level(leaves, "std", inter)
        np.testing.assert_allclose(children[estimate].ravel(), expected[3:], atol=1e-9)
