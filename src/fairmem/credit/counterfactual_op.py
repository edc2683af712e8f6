"""Counterfactual of every operation: what would the memory be worth had this one line not been written?

Our own; nothing is generated for it. The operations of a rollout are known, so the memory without one of them is known
too: do the others again, and quiz it.

    d[i, o] = V(M_i) - V(M_i without o)                      M_i: final memory, V: its score on the questions of the
                                                             end (`credit.value_unit`); with rollout.op_horizon
                                                             "session" the memory after the session of o
    c[i, t] = sum of d[i, o] over the operations o about dialogue turn t, 0 without any
    A[i, t] = (c[i, t] - mean_i c[., t]) / scale             what rollout i made of turn t
    A[i, o] = (d[i, o] - mean_i c[., t] / n[i, t]) / scale   one of its n[i, t] operations about t, which add up to
                                                             A[i, t]

The comparison is over rollouts and about one thing: what to do about dialogue turn t. A rollout that made nothing of it
is a member like the others, with c = 0. So to insert beside an old entry, to update it, and to leave it out are
compared with each other where all of them happened, and what the rest of the session was worth cancels.

What the tokens get is in `fairmem.credit.by_op`. The lab's rule of this name values an operation by the quiz right
before and after it, which differs where two operations of one session are about the same entry.

What is lost: of two operations that say the same, each is worth nothing as long as the other is there. And later
sessions are taken as they were played: what the model would have written there, had it not found the entry, is not
known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.group import (
    DEFAULT_FLOOR,
    Bools,
    Floats,
    GroupOutcome,
    Scale,
    checked_rewards,
    group_centred,
    spread,
)


@dataclass(frozen=True, slots=True)
class DecisionCredit:
    """Credit of G rollouts for what they made of D dialogue turns.

    Attributes:
        advantages_G_D: 0 where not kept.
        kept_G_D: Which of them are credit.
        means_D: Baseline of each decision, in reward units.
        factors_D: 1 / scale.
        diagnostics: A group per decision.
    """

    advantages_G_D: Floats
    kept_G_D: Bools
    means_D: Floats
    factors_D: Floats
    diagnostics: CreditDiagnostics

    def of_op(self, decision: int, gain: float, of: int) -> float:
        """Advantage of one of `of` operations of a rollout about a kept decision, with its own gain."""
        return float((gain - self.means_D[decision] / of) * self.factors_D[decision])


def counterfactual_op(gains_G_D: npt.ArrayLike, scale: Scale = "mean", floor: float = DEFAULT_FLOOR) -> DecisionCredit:
    """Centre the gains of each decision over the G rollouts.

    Args:
        gains_G_D: Shape [G, D]: c of the module's text; `nan` where it could not be measured.
        scale: See `fairmem.credit.group`.
        floor: Smallest deviation of a decision's gains that is kept.

    Raises:
        CreditError: wrong rank, infinite gains, or unknown scale.
    """
    gains = checked_rewards(gains_G_D, "gains_G_D", ndim=2)
    groups = [group_centred(column, scale, floor) for column in gains.T]
    means_D, factors_D = np.zeros(len(groups)), np.ones(len(groups))
    for decision, (group, column_G) in enumerate(zip(groups, gains.T, strict=True)):
        if group.outcome is not GroupOutcome.KEPT:
            continue
        scored = column_G[~np.isnan(column_G)]
        _, means_D[decision], deviation = spread(scored, floor)
        factors_D[decision] = {"std": 1 / deviation, "mean": 1.0, "loo": len(scored) / (len(scored) - 1)}[scale]
    return DecisionCredit(
        advantages_G_D=np.array([g.advantages for g in groups]).reshape(gains.shape[::-1]).T,
        kept_G_D=np.array([g.kept for g in groups], dtype=np.bool_).reshape(gains.shape[::-1]).T,
        means_D=means_D,
        factors_D=factors_D,
        diagnostics=CreditDiagnostics(GroupCounts.of(groups)),
    )
