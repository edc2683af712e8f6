"""GiGPO: credit of the whole rollout, and of each step among rollouts that were in the very same state.

Source: Feng et al., Group-in-Group Policy Optimization (arXiv 2505.10978), episode and step relative advantages:

    A_E[i]    = (R(i) - mean R) / scale,                      R(i) = sum_s R[i, s]
    A_S[i, s] = (G[i, s] - mean G) / scale    over the rollouts with the anchor of (i, s)
    A[i, s]   = A_E[i] + omega A_S[i, s],     G[i, s] = sum_{k >= s} gamma^(k - s) R[i, k]

An anchor names the state before a session; here it is the hash of the memory bank. The paper groups equal states
wherever they occur; a session's own dialogue is part of the state, so only anchors of one session are compared.
Memories of different rollouts soon differ, so beyond the first sessions there is often nobody to compare
with; LoGo forces such groups by rolling out again.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.group import DEFAULT_FLOOR, GroupCredit, Scale, checked_rewards, group_centred
from fairmem.credit.grpo import GrpoCredit
from fairmem.credit.returns import discounted_returns
from fairmem.errors import CreditError


def gigpo(
    rewards_G_S: npt.ArrayLike,
    anchors_G_S: npt.ArrayLike,
    omega: float = 1.0,
    gamma: float = 0.95,
    scale: Scale = "std",
    floor: float = DEFAULT_FLOOR,
) -> GrpoCredit:
    """Episode advantage plus `omega` times step advantage (equations in the module's text).

    Diagnostics count the episode group as global and the step groups, of two rollouts or more, as local.

    Args:
        rewards_G_S: Shape [G, S]; `nan` where rollout i has no reward for session s.
        anchors_G_S: Shape [G, S], anything that compares equal for equal states (hashes, integers); an empty
            string is an unknown state.
        omega: Weight of the step term, 0 or more.
        gamma: Discount per session of the step term, 0 to 1.
        scale: See `fairmem.credit.group`; used within both kinds of group.
        floor: Smallest deviation of a group's returns that is kept.

    Raises:
        CreditError: wrong ranks or shapes, infinite rewards, unknown scale, or omega or gamma out of range.
    """
    rewards = checked_rewards(rewards_G_S, "rewards_G_S", ndim=2)
    anchors = np.asarray(anchors_G_S)
    if anchors.shape != rewards.shape:
        raise CreditError(f"anchors_G_S must have the shape of the rewards {rewards.shape}, found {anchors.shape}")
    if not 0 <= omega < float("inf"):
        raise CreditError(f"omega must be 0 or more and finite, found {omega}")
    sessions = rewards.shape[1]
    totals_G = discounted_returns(rewards, 1.0)[:, 0] if sessions else np.full(len(rewards), np.nan)
    episode = group_centred(totals_G, scale, floor)
    advantages = np.repeat(episode.advantages[:, None], sessions, axis=1)
    kept = np.repeat(episode.kept[:, None], sessions, axis=1)
    returns = discounted_returns(rewards, gamma)
    steps: list[GroupCredit] = []
    for session in range(sessions) if omega else ():
        column_G = anchors[:, session]
        for anchor in dict.fromkeys(column_G.tolist()):
            members = np.flatnonzero(column_G == anchor)
            if anchor == "" or len(members) < 2:
                continue
            group = group_centred(returns[members, session], scale, floor)
            advantages[members, session] += omega * group.advantages
            kept[members, session] |= group.kept
            steps.append(group)
    counts = CreditDiagnostics(GroupCounts.of([episode]), GroupCounts.of(steps))
    return GrpoCredit(np.where(kept, advantages, 0.0), kept, counts)
