"""Generalized advantage estimation over the sessions of one rollout: what PPO learns from.

Source: Schulman et al. (arXiv 1506.02438), equation 16; one step is one session:

    delta[s] = r[s] + gamma V[s + 1] - V[s]
    A[s]     = delta[s] + gamma lambda A[s + 1]
    G[s]     = A[s] + V[s]                            target of the value function

V[s] is the value of the state before step s; V[S] is that after the last, 0 at the end of an episode. lambda 0 is
the one-step advantage (`fairmem.credit.vine`), lambda 1 the return minus a baseline.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairmem.credit.group import Floats, checked_rewards
from fairmem.credit.returns import checked_discount
from fairmem.errors import CreditError


def gae(
    rewards_S: npt.ArrayLike, values_S1: npt.ArrayLike, gamma: float = 1.0, lam: float = 0.95
) -> tuple[Floats, Floats]:
    """(advantages, returns), each of shape [S].

    A missing reward or value (`nan`) makes the advantages that depend on it missing.

    Args:
        rewards_S: Shape [S].
        values_S1: Shape [S + 1]; the last entry is the value after the last session, 0 at the end of an episode.
        gamma: Discount per session, 0 to 1.
        lam: Lambda, 0 to 1: how far rewards are trusted beyond values.

    Raises:
        CreditError: wrong ranks, sizes that do not fit, infinite entries, gamma or lambda out of range.
    """
    rewards = checked_rewards(rewards_S, "rewards_S", ndim=1)
    values = checked_rewards(values_S1, "values_S1", ndim=1)
    if len(values) != len(rewards) + 1:
        raise CreditError(f"values_S1 must have one entry more than the {len(rewards)} rewards, found {len(values)}")
    checked_discount(gamma)
    if not 0 <= lam <= 1:
        raise CreditError(f"lam must be from 0 to 1, found {lam}")
    deltas = rewards + gamma * values[1:] - values[:-1]
    advantages = np.zeros_like(rewards)
    following = 0.0
    for session in reversed(range(len(rewards))):
        # With lambda 0 a missing later step is not part of this one; 0 * nan would make it so.
        following = deltas[session] + (gamma * lam * following if gamma * lam else 0.0)
        advantages[session] = following
    return advantages, advantages + values[:-1]
