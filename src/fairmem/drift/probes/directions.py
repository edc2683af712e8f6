"""Steering directions as differences of means, and what memory does along them. numpy only.

The direction of bias c at a layer is v = mean h(explicit order to c) - mean h(neutral order), over scenarios of *other*
domains than the one it is applied to (leave one domain out), of norm 1. The shift of a memory is m = h(biased) -
h(neutral), both of equal length. Memory acts as the order does where m lies along v (arXiv 2605.24941, its first
mechanism; difference of means: Marks and Tegmark, 2310.06824).

Axes: `S` scenario, `L` layer, `W` width, `B` bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.seeds import numpy_rng


def difference_of_means(towards_SW: np.ndarray, away_SW: np.ndarray) -> tuple[np.ndarray, float]:
    """(unit vector [W], its length before): mean of `towards_SW` minus mean of `away_SW`.

    A difference of zero gives a vector of zeros, along which nothing moves.

    Raises:
        ValueError: the two do not have one width, or one is empty.
    """
    if towards_SW.ndim != 2 or away_SW.ndim != 2 or towards_SW.shape[1] != away_SW.shape[1]:
        raise ValueError(f"shapes {towards_SW.shape} and {away_SW.shape}: expected [S, W] of one width")
    if not len(towards_SW) or not len(away_SW):
        raise ValueError("no states to take a mean of")
    difference = towards_SW.mean(axis=0) - away_SW.mean(axis=0)
    length = float(np.linalg.norm(difference))
    return (difference / length if length > 1e-12 else np.zeros_like(difference)), length


def left_out_directions(
    explicit_SW: np.ndarray, neutral_SW: np.ndarray, biases: Sequence[str], domains: Sequence[str]
) -> dict[tuple[str, str], np.ndarray]:
    """(bias, domain left out) -> direction [W], from the scenarios of that bias in all other domains.

    Raises:
        ValueError: a bias has scenarios in one domain only.
    """
    found: dict[tuple[str, str], np.ndarray] = {}
    for bias in dict.fromkeys(biases):
        for domain in dict.fromkeys(domains):
            rows = [i for i, (b, d) in enumerate(zip(biases, domains, strict=True)) if b == bias and d != domain]
            if not rows:
                raise ValueError(f"bias {bias} has scenarios in {domain} only; leaving a domain out needs two")
            found[bias, domain], _ = difference_of_means(explicit_SW[rows], neutral_SW[rows])
    return found


def auc(higher: Sequence[float] | np.ndarray, lower: Sequence[float] | np.ndarray) -> float:
    """P(a value of `higher` exceeds one of `lower`), ties counting half; nan without values."""
    high, low = np.asarray(higher, dtype=np.float64), np.asarray(lower, dtype=np.float64)
    if not high.size or not low.size:
        return float("nan")
    gaps = high[:, None] - low[None, :]
    return float((gaps > 0).mean() + 0.5 * (gaps == 0).mean())


@dataclass(frozen=True, slots=True)
class Specificity:
    """Memory shifts of each bias along the direction of each bias.

    Attributes:
        biases: Of rows (whose memory) and columns (whose direction).
        mean_BB: Mean projection, in units of the noise of neutral memories.
        contrast: Mean of the diagonal minus mean of the rest; nan with one bias.
        low: 2.5 % quantile of the contrast where biases are permuted among scenarios; `high`: 97.5 %.
        p: Share of permutations with a contrast at least as large, the observed one counted in; nan with one bias.
    """

    biases: tuple[str, ...]
    mean_BB: np.ndarray
    contrast: float
    low: float
    high: float
    p: float


def specificity(along_SB: np.ndarray, biases: Sequence[str], *, seed: int = 0, draws: int = 2000) -> Specificity:
    """The matrix of `along_SB`: each scenario's memory shift along the direction of each bias.

    Columns are the distinct biases in order of appearance. Columns are centred for the contrast, since a direction
    along which every memory moves is not one of a bias.
    """
    names = tuple(dict.fromkeys(biases))
    own_S = np.array([names.index(b) for b in biases])
    mean_BB = np.stack([along_SB[own_S == i].mean(axis=0) for i in range(len(names))])
    if len(names) < 2:
        nan = float("nan")
        return Specificity(names, mean_BB, nan, nan, nan, nan)
    centred = along_SB - along_SB.mean(axis=0)
    observed = _contrast(centred, own_S, len(names))
    rng = numpy_rng(seed, "drift-specificity", len(biases))
    null = np.array([_contrast(centred, rng.permutation(own_S), len(names)) for _ in range(draws)])
    p = (1 + int((null >= observed - 1e-12).sum())) / (1 + draws)
    low, high = np.quantile(null, [0.025, 0.975])
    return Specificity(names, mean_BB, observed, float(low), float(high), p)


def _contrast(along_SB: np.ndarray, own_S: np.ndarray, count: int) -> float:
    means = np.stack([along_SB[own_S == i].mean(axis=0) for i in range(count)])
    diagonal = np.eye(count, dtype=bool)
    return float(means[diagonal].mean() - means[~diagonal].mean())


def random_cosines(vector_W: np.ndarray, *, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """(2.5 %, 97.5 %) quantiles of the cosine of `vector_W` with random directions: what chance gives."""
    rng = numpy_rng(seed, "drift-random-direction", vector_W.size)
    others = rng.standard_normal((draws, vector_W.size))
    length = float(np.linalg.norm(vector_W))
    if length < 1e-12:
        return 0.0, 0.0
    cosines = others @ vector_W / (np.linalg.norm(others, axis=1) * length)
    low, high = np.quantile(cosines, [0.025, 0.975])
    return float(low), float(high)


def cosine(one_W: np.ndarray, other_W: np.ndarray) -> float:
    """Cosine of two vectors; 0 where one has no length."""
    lengths = float(np.linalg.norm(one_W) * np.linalg.norm(other_W))
    return float(one_W @ other_W) / lengths if lengths > 1e-12 else 0.0
