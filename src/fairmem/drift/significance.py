"""Tests of audits: equivalence, and corrections for looking at many things. Sign flips are in `fairmem.metrics`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.metrics.stats import student_t_cdf, student_t_quantile


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted p values that hold the family-wise error (Holm, 1979). nan stays nan and does not count."""
    return _adjusted(ps, lambda rank, count: count - rank, upwards=True)


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Adjusted p values that hold the false discovery rate (Benjamini and Hochberg, 1995). nan stays nan."""
    return _adjusted(ps, lambda rank, count: count / (rank + 1), upwards=False)


def _adjusted(ps: Sequence[float], factor: Callable[[int, int], float], *, upwards: bool) -> list[float]:
    """P times a factor of its rank, made monotone: running maxima upwards, running minima downwards."""
    known = sorted((p, i) for i, p in enumerate(ps) if not math.isnan(p))
    found = [math.nan] * len(ps)
    ranks = range(len(known)) if upwards else range(len(known) - 1, -1, -1)
    bound = 0.0 if upwards else 1.0
    for rank in ranks:
        p, i = known[rank]
        scaled = min(1.0, p * factor(rank, len(known)))
        bound = max(bound, scaled) if upwards else min(bound, scaled)
        found[i] = bound
    return found


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests (Schuirmann, 1987) of a mean difference against a margin.

    Attributes:
        mean: The mean difference.
        low: Of the 90 % interval, which lies inside the margin exactly if both tests reject at 5 %.
        high: Likewise.
        margin: What still counts as equal.
        p: The larger of the two p values; nan below two differences.
        n: Differences.
    """

    mean: float
    low: float
    high: float
    margin: float
    p: float
    n: int

    @property
    def shown(self) -> bool:
        """Whether equivalence is shown at 5 %. Otherwise it is open, not refuted."""
        return self.p < 0.05


def equivalence(deltas_S: Sequence[float] | np.ndarray, margin: float) -> Equivalence:
    """Is the mean of the differences within `margin` of 0 on both sides?

    Raises:
        ValueError: the margin is not positive.
    """
    if margin <= 0:
        raise ValueError(f"margin is {margin}, expected a positive number")
    deltas = np.asarray(deltas_S, dtype=np.float64)
    n = deltas.size
    mean = float(deltas.mean()) if n else math.nan
    if n < 2:
        return Equivalence(mean, math.nan, math.nan, margin, math.nan, n)
    se = float(deltas.std(ddof=1)) / math.sqrt(n)
    if se <= 1e-15:
        return Equivalence(mean, mean, mean, margin, 0.0 if abs(mean) < margin else 1.0, n)
    reach = student_t_quantile(0.95, n - 1) * se
    p = 1 - student_t_cdf((margin - abs(mean)) / se, n - 1)
    return Equivalence(mean, mean - reach, mean + reach, margin, p, n)
