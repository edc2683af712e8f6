"""Per-turn baselines: each session is credited with what came from it on, compared at the same session.

Source: REINFORCE with reward-to-go and a baseline per time step (Williams, Machine Learning 8, 1992); for memory
agents MMPO (arXiv 2605.30159), which takes the mean of the rewards from turn t on:

    G[i, s] = sum_{k >= s} gamma^(k - s) R[i, k]
    A[i, s] = (G[i, s] - mean_i G[., s]) / scale

What was earned before a session cannot be its doing and is left out of its noise; what it spoils later is in.
With gamma 0 this is GRPO per session.
"""

from __future__ import annotations

import numpy.typing as npt

from fairmem.credit.group import DEFAULT_FLOOR, Scale
from fairmem.credit.grpo import GrpoCredit, grpo
from fairmem.credit.returns import discounted_returns


def per_turn(
    rewards_G_S: npt.ArrayLike, gamma: float = 1.0, scale: Scale = "std", floor: float = DEFAULT_FLOOR
) -> GrpoCredit:
    """Centre every session's discounted reward-to-go over the G rollouts.

    Args:
        rewards_G_S: Shape [G, S]; `nan` where rollout i has no reward for session s.
        gamma: Discount per session, 0 to 1.
        scale: See `fairmem.credit.group`.
        floor: Smallest deviation of a group's returns that is kept.

    Raises:
        CreditError: wrong rank, infinite rewards, unknown scale, or a discount out of range.
    """
    return grpo(discounted_returns(rewards_G_S, gamma), scale, floor)
