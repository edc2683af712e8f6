"""Dr. GRPO: a group's mean is the baseline, and nothing is divided by its deviation.

Source: Liu et al., Understanding R1-Zero-Like Training (arXiv 2503.20783), the advantage of Dr. GRPO:

    A[i, s] = R[i, s] - mean_i R[., s]

Dividing by the deviation gives a group that differs by a hair the same say as one that is split between right
and wrong. The paper's other change, no division by the length of a reply, is the learner's
(`learner.aggregation = "token"`). As everywhere here, one group per session.
"""

from __future__ import annotations

import numpy.typing as npt

from fairmem.credit.group import DEFAULT_FLOOR
from fairmem.credit.grpo import GrpoCredit, grpo


def dr_grpo(rewards_G_S: npt.ArrayLike, floor: float = DEFAULT_FLOOR) -> GrpoCredit:
    """`grpo` with scale `mean`.

    Args:
        rewards_G_S: Shape [G, S]; `nan` where rollout i has no reward for session s.
        floor: Smallest reward deviation of a group that is kept.

    Raises:
        CreditError: wrong rank or infinite rewards.
    """
    return grpo(rewards_G_S, "mean", floor)
