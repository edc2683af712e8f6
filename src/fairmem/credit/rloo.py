"""RLOO: each rollout is compared with the mean of the others.

Source: Ahmadian et al., Back to Basics (arXiv 2402.14740), the REINFORCE leave-one-out estimator:

    A[i, s] = R[i, s] - mean_{j != i} R[j, s] = G / (G - 1) * (R[i, s] - mean_i R[., s])

The baseline does not contain the rollout itself, so the gradient estimate is unbiased for every G.
As everywhere here, one group per session.
"""

from __future__ import annotations

import numpy.typing as npt

from fairmem.credit.group import DEFAULT_FLOOR
from fairmem.credit.grpo import GrpoCredit, grpo


def rloo(rewards_G_S: npt.ArrayLike, floor: float = DEFAULT_FLOOR) -> GrpoCredit:
    """`grpo` with scale `loo`.

    Args:
        rewards_G_S: Shape [G, S]; `nan` where rollout i has no reward for session s.
        floor: Smallest reward deviation of a group that is kept.

    Raises:
        CreditError: wrong rank or infinite rewards.
    """
    return grpo(rewards_G_S, "loo", floor)
