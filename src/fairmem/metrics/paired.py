"""Two systems on the same questions: the difference of their means, its interval and a test, by conversation.

A pair with an unscored side (None or nan) is dropped and counted; nothing is filled in.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.metrics.stats import Values, clustered_mean, drop_unscored
from fairmem.seeds import numpy_rng

EXACT_FLIPS = 20
"""Up to this many differences `sign_flip` takes all sign patterns (a million at most)."""


@dataclass(frozen=True, slots=True)
class PairedResult:
    """Mean of `after - before` over questions scored in both.

    Attributes:
        difference: Mean difference; positive means `after` is better. nan without scored pairs.
        low: Lower end of the cluster-bootstrap interval; nan with fewer than two clusters.
        high: Upper end, likewise.
        n: Scored pairs.
        clusters: Clusters (conversations) with at least one scored pair.
        p: Two-sided p value of the sign-flip permutation test over clusters; nan without scored pairs.
        unscored: Pairs left out because one side, or both, had no score.
        exact: Whether `p` is over all 2^clusters sign patterns rather than a random sample of them.
    """

    difference: float
    low: float
    high: float
    n: int
    clusters: int
    p: float
    unscored: int = 0
    exact: bool = True

    def __str__(self) -> str:
        plural = "" if self.clusters == 1 else "s"
        spread = "[no interval]" if math.isnan(self.low) else f"[{self.low:+.3f}, {self.high:+.3f}]"
        unscored = f", {self.unscored} unscored" if self.unscored else ""
        return (
            f"{self.difference:+.3f} {spread}, p={self.p:.3f} "
            f"(n={self.n} pairs, {self.clusters} conversation{plural}{unscored})"
        )


def paired_difference(
    before: Values,
    after: Values,
    clusters: Sequence[Hashable],
    seed: int = 0,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> PairedResult:
    """Compare two sets of scores of the same questions, question by question, clustered by conversation.

    The interval is that of `clustered_mean` over the differences. The test flips the sign of all differences
    of a conversation together (under the null hypothesis the two systems are exchangeable within it) and asks
    how often the mean moves at least as far from zero; with C conversations no p value is below 2 / 2^C.
    See `sign_flip` for when it is exact; `resamples` holds for both.

    Raises:
        ValueError: lengths differ, or `confidence` or `resamples` is out of range.
    """
    if len(before) != len(after):
        raise ValueError(f"pairs need equal lengths, found {len(before)} scores before and {len(after)} after")
    differences = [
        None if first is None or second is None else float(second) - float(first)
        for first, second in zip(before, after, strict=True)
    ]
    interval = clustered_mean(differences, clusters, seed=seed, resamples=resamples, confidence=confidence)
    scored, codes, count, unscored = drop_unscored(differences, clusters)
    p = sign_flip(np.bincount(codes, weights=scored, minlength=count) if count else (), seed=seed, resamples=resamples)
    exact = count <= EXACT_FLIPS
    return PairedResult(interval.mean, interval.low, interval.high, interval.n, count, p, unscored, exact)


def sign_flip(differences: Sequence[float] | np.ndarray, *, seed: int = 0, resamples: int = 10_000) -> float:
    """Two-sided p of mean 0, under which each of `differences` is as likely with the other sign; nan without any.

    The share of sign patterns whose sum lies at least as far from 0 as the observed one, ties counted in. Exact over
    all patterns for at most `EXACT_FLIPS` differences, else over `resamples` random ones with the observed one counted
    in, so that it is never 0 (Phipson and Smyth, 2010).
    """
    sums = np.asarray(differences, dtype=np.float64)
    count = sums.size
    if count == 0:
        return math.nan
    # Patterns that tie with the observed one count; rounding must not decide about them.
    observed = abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())
    if count <= EXACT_FLIPS:
        totals = np.zeros(1)
        for difference in sums:
            totals = np.concatenate([totals + difference, totals - difference])
        return float((np.abs(totals) >= observed).mean())
    signs = 1 - 2 * numpy_rng(seed, "sign-flip", count).integers(0, 2, size=(resamples, count))
    return (1.0 + float((np.abs(signs @ sums) >= observed).sum())) / (1.0 + resamples)


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p value of McNemar's exact test: are `gained` and `lost` questions two sides of one fair coin?

    `gained` became right, `lost` became wrong; questions right or wrong in both say nothing. The test takes
    questions for independent, which those of one conversation are not: read it beside `PairedResult.p`. 1.0 if
    nothing changed. Source: McNemar, Psychometrika 12 (1947), in the exact binomial form.
    """
    total, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(total, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**total)
