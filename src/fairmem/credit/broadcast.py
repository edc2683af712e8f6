"""Broadcast: one advantage per rollout, copied to everything the rollout did.

Source: Mem-alpha (arXiv 2509.25911), whose advantage of the final reward goes to every chunk, and MemAgent
(2507.02259, Multi-Conv DAPO), where it goes to every conversation of the sample.

    A[i, s] = (R[i] - mean R) / scale    for every session s

Nothing says which session earned the reward, so the noise of all sessions is in each. Mem-alpha's code takes mean
and deviation over the rows of all chunks, which weighs a rollout by its length; here every rollout counts once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.group import DEFAULT_FLOOR, Scale, group_centred
from fairmem.credit.grpo import GrpoCredit
from fairmem.errors import CreditError


def broadcast(
    rewards_G: npt.ArrayLike, sessions: int, scale: Scale = "std", floor: float = DEFAULT_FLOOR
) -> GrpoCredit:
    """Centre the rewards of whole rollouts and copy each advantage to all `sessions`.

    Args:
        rewards_G: Shape [G], one reward per rollout; `nan` where it is missing.
        sessions: S of the result, 1 or more.
        scale: See `fairmem.credit.group`.
        floor: Smallest reward deviation of a group that is kept.

    Raises:
        CreditError: wrong rank, infinite rewards, unknown scale, or no session.
    """
    if sessions < 1:
        raise CreditError(f"sessions must be 1 or more, found {sessions}")
    group = group_centred(rewards_G, scale, floor)
    return GrpoCredit(
        np.repeat(group.advantages[:, None], sessions, axis=1),
        np.repeat(group.kept[:, None], sessions, axis=1),
        CreditDiagnostics(global_groups=GroupCounts.of([group])),
    )
