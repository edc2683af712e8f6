"""Intervals for means over scenarios, and for rates.

The unit is the scenario: its trials share one task, so they are averaged first, and scenarios are drawn anew. Which
interval: studentised below 50 scenarios, bias-corrected and accelerated (BCa) from there on (Efron, 1987; Efron and
Tibshirani, 1993, sections 12.5 and 14.3). Neither holds where only few scenarios drift at all; there a rate with its
Clopper-Pearson interval is what can be said. Coverage by simulation: `python benchmarks/drift_coverage.py`.

Trials may be drawn anew within each scenario as well (`levels="trials"`). A scenario's mean already varies with its
trials, so that counts their noise twice, and intervals come out too wide (Davison and Hinkley, 1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from fairmem.metrics.stats import student_t_quantile
from fairmem.seeds import numpy_rng

Method = Literal["auto", "bca", "studentised", "percentile", "t"]

FEW = 50
"""Below this many scenarios `auto` is studentised."""

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `n` scenarios with its interval; nan ends where there are too few to tell."""

    mean: float
    low: float
    high: float
    n: int
    method: str


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` of `n` with the Clopper-Pearson interval; nan without any."""

    count: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Count / n; nan without any."""
        return self.count / self.n if self.n else math.nan

    def __str__(self) -> str:
        return f"{self.share:.3f} [{self.low:.3f}, {self.high:.3f}] ({self.count} of {self.n})"


def mean_interval(
    values_S: Sequence[float] | np.ndarray,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    method: Method = "auto",
    redraw: Callable[[np.random.Generator, int], np.ndarray] | None = None,
) -> Estimate:
    """Mean of one value per scenario, with an interval over scenarios.

    Args:
        values_S: One finite value per scenario.
        seed: The same seed gives the same interval.
        resamples: Bootstrap draws.
        confidence: Nominal coverage.
        method: See the module; `percentile` and `t` are there to be compared with.
        redraw: For two levels: (generator, how many) -> values [how many, S] with the trials drawn anew.

    Raises:
        ValueError: a value is not finite.
    """
    values = np.asarray(values_S, dtype=np.float64)
    n = values.size
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite; leave out scenarios without one")
    if method == "auto":
        method = "studentised" if n < FEW else "bca"
    mean = float(values.mean()) if n else math.nan
    if n < 2:
        return Estimate(mean, math.nan, math.nan, n, method)
    spread = float(values.std(ddof=1))
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return Estimate(mean, mean, mean, n, method)
    tail = (1 - confidence) / 2
    if method == "t":
        reach = student_t_quantile(1 - tail, n - 1) * spread / math.sqrt(n)
        return Estimate(mean, mean - reach, mean + reach, n, method)
    means, errors = _resampled(values, seed, resamples, redraw)
    if method == "studentised":
        known = errors > 1e-12
        pulls = (means[known] - mean) / errors[known]
        low, high = np.quantile(pulls, [tail, 1 - tail])
        se = spread / math.sqrt(n)
        return Estimate(mean, mean - float(high) * se, mean - float(low) * se, n, method)
    tails = (tail, 1 - tail) if method == "percentile" else _bca_tails(values, means, tail)
    low, high = np.quantile(means, tails)
    return Estimate(mean, float(low), float(high), n, method)


def _resampled(
    values: np.ndarray, seed: int, resamples: int, redraw: Callable[[np.random.Generator, int], np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of the mean of each resample of scenarios [resamples]."""
    n = values.size
    rng = numpy_rng(seed, "drift-bootstrap", n)
    picked = rng.integers(0, n, size=(resamples, n))
    if redraw is None:
        drawn = values[picked]
    else:
        inner = redraw(rng, resamples)
        drawn = inner[rng.integers(0, resamples, size=(resamples, n)), picked]
    return drawn.mean(axis=1), drawn.std(axis=1, ddof=1) / math.sqrt(n)


def _bca_tails(values: np.ndarray, means: np.ndarray, tail: float) -> tuple[float, float]:
    """The percentiles that BCa takes instead of `tail` and 1 - `tail`."""
    normal = NormalDist()
    mean = values.mean()
    # Ties count half: with few distinct values many resamples hit the mean itself.
    below = float((means < mean - 1e-12).mean() + 0.5 * (np.abs(means - mean) <= 1e-12).mean())
    bias = normal.inv_cdf(min(max(below, 1 / (2 * means.size)), 1 - 1 / (2 * means.size)))
    # Leaving out value i moves the mean by -(x_i - mean) / (n - 1), so the jackknife needs the deviations alone.
    deviations = values - mean
    acceleration = float((deviations**3).sum()) / (6 * float((deviations**2).sum()) ** 1.5)
    found: list[float] = []
    for z in (normal.inv_cdf(tail), normal.inv_cdf(1 - tail)):
        moved = bias + z
        found.append(normal.cdf(bias + moved / max(1e-9, 1 - acceleration * moved)))
    return found[0], found[1]


def redraw_trials(
    arm_S: Sequence[Sequence[float]], base_S: Sequence[Sequence[float]]
) -> Callable[[np.random.Generator, int], np.ndarray]:
    """For `mean_interval`: differences of means with the trials of both sides drawn anew within each scenario."""
    sides = [[np.asarray(trials, dtype=np.float64) for trials in side] for side in (arm_S, base_S)]

    def redraw(rng: np.random.Generator, count: int) -> np.ndarray:
        columns = [
            [t[rng.integers(0, t.size, size=(count, t.size))].mean(axis=1) for t in trials]
            for trials in zip(*sides, strict=True)
        ]
        return np.stack([arm - base for arm, base in columns], axis=1)

    return redraw


def clopper_pearson(count: int, n: int, confidence: float = 0.95) -> Rate:
    """The exact interval of a binomial rate (Clopper and Pearson, 1934).

    Raises:
        ValueError: `count` is not between 0 and `n`.
    """
    if not 0 <= count <= n:
        raise ValueError(f"count is {count}, expected 0 to {n}")
    if n == 0:
        return Rate(0, 0, math.nan, math.nan)
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _solve(lambda p: 1 - _binomial_cdf(count - 1, n, p) < tail)
    high = 1.0 if count == n else _solve(lambda p: _binomial_cdf(count, n, p) > tail)
    return Rate(count, n, low, high)


def _solve(below: Callable[[float], bool]) -> float:
    """The p in [0, 1] at which `below` turns from true to false."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def _binomial_cdf(count: int, n: int, p: float) -> float:
    if p <= 0 or p >= 1:
        return 1.0 if p <= 0 or count >= n else 0.0
    i = np.arange(count + 1)
    choose = np.array([math.lgamma(n + 1) - math.lgamma(j + 1) - math.lgamma(n - j + 1) for j in i.tolist()])
    return min(1.0, float(np.exp(choose + i * math.log(p) + (n - i) * math.log1p(-p)).sum()))
