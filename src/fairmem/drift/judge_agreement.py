"""Do a judge's scores and the deflection say the same? Weighted kappa, rank correlation, and what to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge beside the deflection.

    Attributes:
        judge: Its name.
        asked: Calls it was asked about; `n` of them have a score.
        n: Likewise.
        kappa: Quadratically weighted, of its score and the rounded score without a judge; nan where undefined.
        spearman: Of its score and D; nan where one of them does not vary.
        apart: Calls on which the two are over 2 points apart.
        means: Arm -> mean of its scores.
    """

    judge: str
    asked: int
    n: int
    kappa: float
    spearman: float
    apart: int
    means: Mapping[str, float]


def weighted_kappa(first: Sequence[int], second: Sequence[int], levels: int = 5) -> float:
    """1 - sum w_ij o_ij / sum w_ij e_ij with w_ij = (i - j)^2 (Cohen, 1968), of ratings from 1 to `levels`.

    nan without ratings, or where chance alone would agree fully.

    Raises:
        ValueError: the lists differ in length, or a rating is out of range.
    """
    if len(first) != len(second) or any(not 1 <= x <= levels for x in (*first, *second)):
        raise ValueError(f"expected as many ratings on both sides, from 1 to {levels}")
    if not first:
        return math.nan
    a, b = np.array(first), np.array(second)
    expected = float(((a[:, None] - b[None, :]) ** 2).mean())
    return 1 - float(((a - b) ** 2).mean()) / expected if expected > 0 else math.nan


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Rank correlation, ties at their mean rank; nan where one side does not vary.

    Raises:
        ValueError: the lists differ in length.
    """
    if len(first) != len(second):
        raise ValueError(f"expected pairs, found {len(first)} and {len(second)}")
    a, b = _ranks(first), _ranks(second)
    if len(a) < 2 or a.std() == 0 or b.std() == 0:
        return math.nan
    return float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std()))


def _ranks(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    _, codes, counts = np.unique(array, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[codes]
