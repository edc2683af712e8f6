"""Within-group variances of rewards, as far as a few small groups can tell them.

A group of 8 measures a variance to within a factor of 2 or so. Estimates are therefore pulled towards one that is
pooled over groups, as if `prior` degrees of freedom more had been seen there (the mean of a scaled inverse
chi-squared prior).
"""

from __future__ import annotations

import math

import numpy as np

from fairmem.credit.group import Floats
from fairmem.errors import CreditError

PRIOR = 4.0
"""Degrees of freedom that the pooled variance counts for: as many as a group of 5 has."""


def pooled_variances(samples_G_S: Floats, prior: float) -> Floats:
    """Unbiased variance of every column [S], pulled towards that pooled over all by `prior` degrees of freedom.

    `nan` entries are left out; a column with fewer than two counts has the pooled variance, 0 if there is none.

    Raises:
        CreditError: a negative or infinite prior.
    """
    if not 0 <= prior < math.inf:
        raise CreditError(f"prior must be 0 or more and finite, found {prior}")
    squares_S, freedom_S = np.zeros(samples_G_S.shape[1]), np.zeros(samples_G_S.shape[1])
    for session, column in enumerate(samples_G_S.T):
        squares_S[session], freedom_S[session] = squared_deviations(column)
    freedom = freedom_S.sum()
    pooled = math.fsum(squares_S) / freedom if freedom else 0.0
    total_S = freedom_S + prior
    return np.divide(squares_S + prior * pooled, total_S, out=np.full_like(total_S, pooled), where=total_S > 0)


def squared_deviations(rewards_G: Floats) -> tuple[float, int]:
    """(sum of squared deviations from the mean, degrees of freedom) of the scored members of one group."""
    scored = rewards_G[~np.isnan(rewards_G)]
    if len(scored) < 2:
        return 0.0, 0
    mean = math.fsum(scored) / len(scored)
    return math.fsum((scored - mean) ** 2), len(scored) - 1
