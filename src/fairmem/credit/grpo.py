"""GRPO over whole rollouts: each session of each rollout is compared with the same session of its siblings.

Source: DeepSeekMath (arXiv 2402.03300) for the group baseline; Memory-R2 (2605.21768) for one group per
(conversation, session). The rollouts share only the empty memory at the root, so by session t their banks
differ, and a good turn on a poor bank may look bad. `fairmem.credit.logo` adds what repairs that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.group import DEFAULT_FLOOR, Bools, Floats, Scale, checked_rewards, group_centred


@dataclass(frozen=True, slots=True)
class GrpoCredit:
    """Credit of G rollouts over S sessions; shapes [G, S], advantages 0 where not kept."""

    advantages_G_S: Floats
    kept_G_S: Bools
    diagnostics: CreditDiagnostics


def grpo(rewards_G_S: npt.ArrayLike, scale: Scale = "std", floor: float = DEFAULT_FLOOR) -> GrpoCredit:
    """Centre every session's rewards over the G rollouts: A[i, s] = (R[i, s] - mean_i R[., s]) / scale.

    Args:
        rewards_G_S: Shape [G, S]; `nan` where rollout i has no reward for session s. For one scalar per
            trajectory pass a single column.
        scale: See `fairmem.credit.group`.
        floor: Smallest reward deviation of a group that is kept.

    Raises:
        CreditError: wrong rank, infinite rewards, unknown scale.
    """
    rewards = checked_rewards(rewards_G_S, "rewards_G_S", ndim=2)
    groups_S = [group_centred(column, scale, floor) for column in rewards.T]
    advantages = np.zeros_like(rewards)
    kept = np.zeros(rewards.shape, dtype=np.bool_)
    for session, group in enumerate(groups_S):
        advantages[:, session] = group.advantages
        kept[:, session] = group.kept
    return GrpoCredit(advantages, kept, CreditDiagnostics(global_groups=GroupCounts.of(groups_S)))
