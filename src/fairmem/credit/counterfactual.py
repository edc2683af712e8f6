"""Counterfactual: what did this session add to its own memory, more than others added to theirs?

Our own; nothing is generated for it. LoGo asks what a session adds by rolling it out again from the same memory. The
memory before the session is known, so the answer without the session is known too: quiz the memory before and after.

    D[i, s] = V[i, s + 1] - V[i, s]                         V[i, s]: score of the memory before session s, on the
    A[i, s] = (D[i, s] - mean_i D[., s]) / scale            questions of the end

This is the one-step advantage of `fairmem.credit.vine` with the group's mean gain taken off. What a rollout's memory
was worth when the session began, the noise that grows with the horizon in GRPO, cancels in D. What is lost: harm that
shows only later is charged to the session in which it shows.

`shrunk_counterfactual` mixes in T[i, s] = V[i, S] - V[i, s], the gain from the session to the end, which has no such
loss and more noise, by their measured variances over the group (lambda of TD(lambda), chosen by the data per
session):

    A[i, s] = centred over i of (1 - b) D[i, s] + b T[i, s],    b = var D[., s] / (var D[., s] + var T[., s])

Both variances of a session are pulled towards their mean over sessions by `prior` degrees of freedom, because a group
of 8 measures a variance badly. At the last session D and T are one, whatever b is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairmem.credit.group import DEFAULT_FLOOR, Scale
from fairmem.credit.grpo import GrpoCredit, grpo
from fairmem.credit.variance import PRIOR, pooled_variances
from fairmem.credit.vine import checked_values


def counterfactual(values_G_S1: npt.ArrayLike, scale: Scale = "mean", floor: float = DEFAULT_FLOOR) -> GrpoCredit:
    """Centre each session's gain in value over the G rollouts.

    Args:
        values_G_S1: Shape [G, S + 1]; column s is the value of the memory before session s, the last that of the
            end; `nan` where it is missing.
        scale: See `fairmem.credit.group`.
        floor: Smallest deviation of a group's gains that is kept.

    Raises:
        CreditError: wrong rank, infinite values, or unknown scale.
    """
    return grpo(np.diff(checked_values(values_G_S1), axis=1), scale, floor)


def shrunk_counterfactual(
    values_G_S1: npt.ArrayLike, scale: Scale = "mean", floor: float = DEFAULT_FLOOR, prior: float = PRIOR
) -> GrpoCredit:
    """As `counterfactual`, of a mixture of the gain now and the gain up to the end (equations in the module's text).

    Args:
        values_G_S1: As there.
        scale: As there.
        floor: As there, of the mixture.
        prior: Degrees of freedom of the variances pooled over sessions, 0 or more.

    Raises:
        CreditError: wrong rank, infinite values, unknown scale, or a negative prior.
    """
    values = checked_values(values_G_S1)
    now_G_S = np.diff(values, axis=1)
    to_end_G_S = values[:, -1:] - values[:, :-1]
    now_S, to_end_S = pooled_variances(now_G_S, prior), pooled_variances(to_end_G_S, prior)
    total_S = now_S + to_end_S
    later_S = np.divide(now_S, total_S, out=np.zeros_like(total_S), where=total_S > 0)
    return grpo((1 - later_S) * now_G_S + later_S * to_end_G_S, scale, floor)
