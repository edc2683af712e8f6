"""The rules of `fairmem.credit` over many conversations' worth of rollouts at once.

The functions of `fairmem.credit` work on the rollouts of one conversation, which is how a trainer calls them. The lab
makes hundreds of thousands of groups, so it has this form of them, with a leading axis B of independent estimates.
tests/unit/lab/test_batched.py holds that each gives the credit of the function it stands for; formulas and sources are
with those. Settings are the defaults of a recipe's `credit` section.
"""

from __future__ import annotations

import numpy as np

from fairmem.credit import Scale
from fairmem.credit.group import DEFAULT_FLOOR
from fairmem.credit.shrunk_logo import LIMIT
from fairmem.credit.variance import PRIOR
from fairmem.lab.world import Bools, Floats, Ints

GAMMA = 0.95
"""Discount of GiGPO and HCAPO."""


def centred(rewards: Floats, scale: Scale, floor: float = DEFAULT_FLOOR) -> Floats:
    """`group_centred` of the groups along the last axis.

    nan marks a missing reward. Missing members and members of groups that compare nothing get 0.
    """
    scored = ~np.isnan(rewards)
    count = scored.sum(axis=-1, keepdims=True)
    mean = np.where(scored, rewards, 0.0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    apart = np.where(scored, rewards - mean, 0.0)
    deviation = np.sqrt((apart**2).sum(axis=-1, keepdims=True) / np.maximum(count - 1, 1))
    highest = np.where(scored, rewards, -np.inf).max(axis=-1, keepdims=True)
    lowest = np.where(scored, rewards, np.inf).min(axis=-1, keepdims=True)
    kept = (count >= 2) & (highest > lowest) & (deviation > floor)
    if scale == "std":
        apart = apart / np.where(kept, deviation, 1.0)
    elif scale == "loo":
        apart = apart * count / np.maximum(count - 1, 1)
    return np.where(kept, apart, 0.0)


def grpo(rewards_B_G_S: Floats, scale: Scale) -> Floats:
    """`grpo`: every session over the G rollouts."""
    return np.swapaxes(centred(np.swapaxes(rewards_B_G_S, 1, 2), scale), 1, 2)


def discounted_returns(rewards_B_G_S: Floats, gamma: float) -> Floats:
    """`discounted_returns`, where a session has a reward on all rollouts or on none."""
    asked_S: Bools = ~np.isnan(rewards_B_G_S[0, 0])
    returns = np.full_like(rewards_B_G_S, np.nan)
    following_B_G = np.zeros(rewards_B_G_S.shape[:2])
    for session in reversed(range(len(asked_S))):
        following_B_G = gamma * following_B_G
        if asked_S[session]:
            following_B_G = following_B_G + rewards_B_G_S[:, :, session]
        if asked_S[session:].any():
            returns[:, :, session] = following_B_G
    return returns


def gigpo(rewards_B_G_S: Floats, anchors_B_G_S: Ints, scale: Scale) -> Floats:
    """`gigpo` with omega 1."""
    episode_B_G = centred(discounted_returns(rewards_B_G_S, 1.0)[:, :, 0], scale)
    returns = discounted_returns(rewards_B_G_S, GAMMA)
    credit = np.repeat(episode_B_G[:, :, None], returns.shape[2], axis=2)
    same_B_S_G_G = np.swapaxes(anchors_B_G_S, 1, 2)[..., None] == np.swapaxes(anchors_B_G_S, 1, 2)[:, :, None]
    # One row per rollout: the members of its group, nan elsewhere. Its own place in that group is on the diagonal.
    grouped = np.where(same_B_S_G_G, np.swapaxes(returns, 1, 2)[:, :, None], np.nan)
    step_B_S_G = np.einsum("bsgg->bsg", centred(grouped, scale))
    return credit + np.swapaxes(step_B_S_G, 1, 2)


def gae(last_B_G: Floats, values_B_G_S1: Floats, lam: float = 0.95) -> Floats:
    """`gae` with gamma 1 of rollouts whose only reward is the last."""
    deltas = np.diff(values_B_G_S1, axis=2)
    deltas[:, :, -1] += last_B_G
    advantages = np.empty_like(deltas)
    following_B_G = np.zeros(last_B_G.shape)
    for session in reversed(range(deltas.shape[2])):
        following_B_G = deltas[:, :, session] + lam * following_B_G
        advantages[:, :, session] = following_B_G
    return advantages


def counterfactual(values_B_G_S1: Floats, scale: Scale) -> Floats:
    """`counterfactual`."""
    return grpo(np.diff(values_B_G_S1, axis=2), scale)


def shrunk_counterfactual(values_B_G_S1: Floats, scale: Scale) -> Floats:
    """`shrunk_counterfactual`."""
    now = np.diff(values_B_G_S1, axis=2)
    to_end = values_B_G_S1[:, :, -1:] - values_B_G_S1[:, :, :-1]
    now_B_S, to_end_B_S = _pooled_variances(now), _pooled_variances(to_end)
    total_B_S = now_B_S + to_end_B_S
    later = np.divide(now_B_S, total_B_S, out=np.zeros_like(total_B_S), where=total_B_S > 0)[:, None]
    return grpo((1 - later) * now + later * to_end, scale)


def _pooled_variances(samples_B_G_S: Floats) -> Floats:
    """`pooled_variances` [B, S] of samples none of which is missing."""
    _, group, sessions = samples_B_G_S.shape
    squares_B_S = ((samples_B_G_S - samples_B_G_S.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    pooled_B_1 = squares_B_S.sum(axis=1, keepdims=True) / ((group - 1) * sessions)
    return (squares_B_S + PRIOR * pooled_B_1) / (group - 1 + PRIOR)


def membuilder_weights(used_B_G_S_K: Ints, weight: float = 4.0) -> Floats:
    """Row weights of `membuilder`."""
    most = used_B_G_S_K.max(axis=3, keepdims=True)
    return np.where((used_B_G_S_K == most) & (most > 0), weight, 1.0)


def hcapo(rewards_B_G: Floats, logp_B_G_T: Floats, scale: Scale) -> Floats:
    """`hcapo` with its defaults, where no step is missing."""
    group_B_G = centred(rewards_B_G, scale)
    kept_B = (group_B_G != 0).any(axis=1)
    likely = np.exp(logp_B_G_T / 5.0)
    ratio = np.clip(likely / likely.mean(axis=2, keepdims=True), 0.8, 1.2)
    steps = logp_B_G_T.shape[2]
    values = ratio * GAMMA ** np.arange(steps - 1, -1, -1) * rewards_B_G[:, :, None]
    second = centred(values.reshape(len(values), -1), "std").reshape(values.shape)
    second = np.where((group_B_G > 0)[:, :, None], np.maximum(second, 0.0), second)
    return np.where(kept_B[:, None, None], group_B_G[:, :, None] + second, 0.0)


def shrunk_local_weight(global_B_G_S: Floats, local_B_M_R: Floats) -> Floats:
    """The local weight [B] that `shrunk_logo` measures."""
    across, across_freedom = _squares(np.swapaxes(global_B_G_S, 1, 2))
    within, within_freedom = _squares(local_B_M_R)
    common = (across + within) / np.maximum(across_freedom + within_freedom, 1)
    of_global = (across + PRIOR * common) / (across_freedom + PRIOR)
    of_local = (within + PRIOR * common) / (within_freedom + PRIOR)
    measured = (across_freedom > 0) & (within_freedom > 0)
    ratio_B = np.divide(of_global, of_local, out=np.ones_like(common), where=measured)
    return np.clip(ratio_B, 1 / LIMIT, LIMIT)


def _squares(groups_B_M_G: Floats) -> tuple[Floats, Floats]:
    """Squared deviations and degrees of freedom [B] of the kept groups."""
    kept_B_M: Bools = (centred(groups_B_M_G, "mean") != 0).any(axis=2)
    scored = ~np.isnan(groups_B_M_G) & kept_B_M[..., None]
    count = scored.sum(axis=2)
    filled = np.where(scored, groups_B_M_G, 0.0)
    mean = filled.sum(axis=2) / np.maximum(count, 1)
    apart = np.where(scored, groups_B_M_G - mean[..., None], 0.0)
    return (apart**2).sum(axis=(1, 2)), np.maximum(count - 1, 0).sum(axis=1).astype(np.float64)


def tree_level(values_B_N_J: Floats, scale: Scale, inter: float = 1.0) -> Floats:
    """Advantages that `tree` gives the nodes of one depth: N families of J siblings per estimate."""
    across = centred(values_B_N_J.reshape(len(values_B_N_J), -1), scale).reshape(values_B_N_J.shape)
    return centred(values_B_N_J, scale) + inter * across
