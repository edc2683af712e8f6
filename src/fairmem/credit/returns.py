"""Discounted returns of sessions: what a rollout earns from a session on.

    G[i, s] = sum_{k >= s} gamma^(k - s) R[i, k]

A session that no rollout is scored on (no question is about it) adds nothing to any of them. A reward that is
missing while others have it makes the returns up to that session missing: a sum over less is not comparable.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairmem.credit.group import Floats, checked_rewards
from fairmem.errors import CreditError


def checked_discount(gamma: float) -> float:
    """`gamma`, if it is from 0 to 1.

    Raises:
        CreditError: it is not.
    """
    if not 0 <= gamma <= 1:
        raise CreditError(f"gamma must be from 0 to 1, found {gamma}")
    return gamma


def discounted_returns(rewards_G_S: npt.ArrayLike, gamma: float = 1.0) -> Floats:
    """Reward-to-go of every rollout and session, shape [G, S]; `nan` where it is missing.

    Args:
        rewards_G_S: Shape [G, S]; `nan` where rollout i has no reward for session s.
        gamma: Discount per session, 0 to 1.

    Raises:
        CreditError: wrong rank, infinite rewards, or a discount out of range.
    """
    rewards = checked_rewards(rewards_G_S, "rewards_G_S", ndim=2)
    checked_discount(gamma)
    asked_S = np.isnan(rewards).sum(axis=0) < len(rewards)
    returns = np.full_like(rewards, np.nan)
    following_G = np.zeros(len(rewards))
    for session in reversed(range(rewards.shape[1])):
        following_G = gamma * following_G
        if asked_S[session]:
            following_G = following_G + rewards[:, session]
        if asked_S[session:].any():
            returns[:, session] = following_G
    return returns
