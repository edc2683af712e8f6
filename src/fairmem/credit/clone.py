"""Behaviour cloning as a credit rule: every turn of a demonstration is worth 1, compared with nothing.

With the loss `imitation` (cross-entropy times advantage) this is supervised fine-tuning on the demonstrated turns, as
in Memory-R1's baseline that imitates a stronger model (arXiv 2508.19828, Memory-SFT).
"""

from __future__ import annotations

import numpy as np

from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.grpo import GrpoCredit


def clone(rollouts: int, sessions: int) -> GrpoCredit:
    """Credit 1 for all `sessions` of all `rollouts`, whatever they earned; arrays [G, S].

    The diagnostics count no group as dropped: there is nothing to compare, so nothing without contrast.
    """
    ones_G_S = np.ones((rollouts, sessions))
    counts = GroupCounts(formed=int(rollouts > 0), members=rollouts * sessions, advantage_sum=float(ones_G_S.sum()))
    return GrpoCredit(ones_G_S, np.ones((rollouts, sessions), dtype=np.bool_), CreditDiagnostics(counts))
