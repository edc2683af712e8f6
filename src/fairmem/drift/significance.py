"""Tests of audits: sign flips, equivalence, and corrections for looking at many things."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.metrics.stats import student_t_cdf, student_t_quantile
from fairmem.seeds import numpy_rng

EXACT = 20
"""Up to this many scenarios all sign patterns are taken."""


def sign_flip(deltas_S: Sequence[float] | np.ndarray, *, seed: int = 0, resamples: int = 10_000) -> float:
    """Two-sided p of mean 0, under which each difference is as likely with the other sign; nan without any.

    Exact over all patterns for at most 20 differences, else over `resamples` random ones with the observed one counted
    in, so that it is never 0 (Phipson and Smyth, 2010).
    """
    deltas = np.asarray(deltas_S, dtype=np.float64)
    n = deltas.size
    if n == 0:
        return math.nan
    observed = abs(float(deltas.sum())) - 1e-9 * float(np.abs(deltas).sum())
    if n <= EXACT:
        sums = np.zeros(1)
        for delta in deltas:
            sums = np.concatenate([sums + delta, sums - delta])
        return float((np.abs(sums) >= observed).mean())
    signs = 1 - 2 * numpy_rng(seed, "drift-sign-flip", n).integers(0, 2, size=(resamples, n))
    return (1.0 + float((np.abs(signs @ deltas) >= observed).sum())) / (1.0 + resamples)


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
