"""VinePPO: a session is worth the change it made to the value of the state.

Source: Kazemnejad et al., VinePPO (arXiv 2410.01679), section 4, without discount:

    A[i, s] = r[i, s] + V[i, s + 1] - V[i, s]

V[i, s] is the value of the memory before session s. The paper measures it as the mean return of K continuations.
For a memory there is a cheaper measure that generates nothing with the trained model: quiz the memory now, on the
questions of the end. Then a rollout's advantages add up to its final score minus that of the empty memory. What a
session makes of it later (a fact saved now is overwritten in session 9) is then charged to the later one.

Nothing is centred: with quizzed values most sessions gain, so most advantages are positive, and the mean gain is
noise of the gradient. `fairmem.credit.counterfactual` takes it off.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.group import GroupCredit, GroupOutcome, checked_rewards
from fairmem.credit.grpo import GrpoCredit
from fairmem.errors import CreditError


def vine(rewards_G_S: npt.ArrayLike, values_G_S1: npt.ArrayLike) -> GrpoCredit:
    """One-step advantages of G rollouts from measured state values.

    Rollouts are not compared, so G may be 1. A session with a missing reward or value has no credit.

    Args:
        rewards_G_S: Shape [G, S], rewards on the way; zeros if the last value is the final reward.
        values_G_S1: Shape [G, S + 1]; column s is the value before session s, the last that of the end.

    Raises:
        CreditError: wrong ranks, shapes that do not fit, or infinite entries.
    """
    rewards = checked_rewards(rewards_G_S, "rewards_G_S", ndim=2)
    values = checked_values(values_G_S1)
    if values.shape != (rewards.shape[0], rewards.shape[1] + 1):
        raise CreditError(f"values_G_S1 must have one column more than rewards {rewards.shape}, found {values.shape}")
    advantages = rewards + np.diff(values, axis=1)
    kept = ~np.isnan(advantages)
    advantages = np.where(kept, advantages, 0.0)
    groups = [
        GroupCredit(column, scored, GroupOutcome.KEPT if scored.any() else GroupOutcome.UNSCORED)
        for column, scored in zip(advantages.T, kept.T, strict=True)
    ]
    return GrpoCredit(advantages, kept, CreditDiagnostics(global_groups=GroupCounts.of(groups)))


def checked_values(values_G_S1: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """State values as float64 [G, S + 1].

    Raises:
        CreditError: not two-dimensional, no column, or infinite entries.
    """
    values = checked_rewards(values_G_S1, "values_G_S1", ndim=2)
    if values.shape[1] < 1:
        raise CreditError("values_G_S1 must have at least the column of the state before the first session")
    return values
