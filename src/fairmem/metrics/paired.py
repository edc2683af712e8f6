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
    All 2^C patterns are taken if there are at most `resamples`; else `resamples` random ones, counting the
    observed pattern in (Phipson and Smyth, 2010), so that p is never 0.

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
    p, exact = math.nan, True
    if count:
        p, exact = _sign_flip_p(np.bincount(codes, weights=scored, minlength=count), seed, resamples)
    return PairedResult(interval.mean, interval.low, interval.high, interval.n, count, p, unscored, exact)


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p value of McNemar's exact test: are `gained` and `lost` questions two sides of one fair coin?

    `gained` became right, `lost` became wrong; questions right or wrong in both say nothing. The test takes
    questions for independent, which those of one conversation are not: read it beside `PairedResult.p`. 1.0 if
    nothing changed. Source: McNemar, Psychometrika 12 (1947), in the exact binomial form.
    """
    total, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(total, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**total)


def _sign_flip_p(sums: np.ndarray, seed: int, resamples: int) -> tuple[float, bool]:
    """(two-sided p, whether it is exact) for cluster sums [C] of differences."""
    count = sums.size
    exact = count < 63 and 2**count <= resamples
    if exact:
        signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    else:
        signs = 1 - 2 * numpy_rng(seed, "sign-flip", count).integers(0, 2, size=(resamples, count))
    # Patterns that tie with the observed one count; rounding must not decide about them.
    reached = np.abs(signs @ sums) >= abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())
    if exact:
        return float(reached.mean()), True
    return (1.0 + float(reached.sum())) / (1.0 + resamples), False
