"""Does attention go to the entries that share words with the parameter? A regression with controls. numpy only.

mass_e = slope x overlap_e + b1 x place_e + b2 x length_e + effect of the prompt + noise

over the memory entries e of each prompt and watched parameter. The effect of the prompt is taken out by centring within
it; the interval draws scenarios anew. The null permutes the overlaps among the entries of each prompt.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.memory.terms import term_counts
from fairmem.seeds import numpy_rng


@dataclass(frozen=True, slots=True)
class EntryMass:
    """One entry for one watched parameter.

    Attributes:
        scenario: Its id; the unit that is drawn anew.
        group: Prompt and parameter, within which entries are compared.
        overlap: Shared words, weighted by their rarity.
        place: Rank of the entry in memory, from 0.
        length: Its tokens.
        mass: Attention per token, relative to an even spread.
    """

    scenario: str
    group: str
    overlap: float
    place: int
    length: int
    mass: float


@dataclass(frozen=True, slots=True)
class Slope:
    """Mass per unit of overlap with its 95 % interval over scenarios, and the same where overlaps are reassigned.

    nan where no group has entries of different overlap. `n` counts entries, `scenarios` what is drawn anew.
    """

    slope: float
    low: float
    high: float
    null_low: float
    null_high: float
    n: int
    scenarios: int


def rarity(texts: Iterable[str]) -> dict[str, float]:
    """Term -> ln((1 + n) / (1 + texts with it)), over `texts`."""
    held = [set(term_counts(text)[0]) for text in texts]
    counts = Counter(term for terms in held for term in terms)
    return {term: math.log((1 + len(held)) / (1 + count)) for term, count in counts.items()}


def weighted_overlap(entry: str, parameter: str, weights: dict[str, float]) -> float:
    """Sum of the weights of the terms that `entry` shares with the `parameter`'s name and description."""
    return math.fsum(weights.get(t, 0.0) for t in set(term_counts(entry)[0]) & set(term_counts(parameter)[0]))


def overlap_slope(entries: Sequence[EntryMass], *, seed: int = 0, draws: int = 1000) -> Slope:
    """The regression of the module over `entries`."""
    names = sorted({e.scenario for e in entries})
    nan = float("nan")
    if not names:
        return Slope(nan, nan, nan, nan, nan, 0, 0)
    rng = numpy_rng(seed, "drift-overlap", len(entries))
    moments = _moments(entries, [e.overlap for e in entries], names)
    slope = _solve(moments.sum(axis=0))
    picked = rng.integers(0, len(names), size=(draws, len(names)))
    drawn = np.array([_solve(moments[row].sum(axis=0)) for row in picked])
    null = np.array(
        [_solve(_moments(entries, _reassigned(entries, rng), names).sum(axis=0)) for _ in range(draws // 4)]
    )
    low, high = _ends(drawn)
    null_low, null_high = _ends(null)
    return Slope(slope, low, high, null_low, null_high, len(entries), len(names))


def _ends(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _moments(entries: Sequence[EntryMass], overlaps: Sequence[float], names: Sequence[str]) -> np.ndarray:
    """Per scenario the sums of products [S, 4, 4] of (overlap, place, length, mass), centred within groups."""
    table = np.array([(o, e.place, e.length, e.mass) for e, o in zip(entries, overlaps, strict=True)], dtype=np.float64)
    groups = {name: i for i, name in enumerate(dict.fromkeys(e.group for e in entries))}
    of_group = np.array([groups[e.group] for e in entries])
    sums = np.zeros((len(groups), 4))
    np.add.at(sums, of_group, table)
    table = table - (sums / np.bincount(of_group)[:, None])[of_group]
    found = np.zeros((len(names), 4, 4))
    places = {name: i for i, name in enumerate(names)}
    np.add.at(found, [places[e.scenario] for e in entries], table[:, :, None] * table[:, None, :])
    return found


def _solve(products: np.ndarray) -> float:
    """The coefficient of overlap; nan where overlap never differs within a group."""
    if products[0, 0] < 1e-12:
        return float("nan")
    # lstsq rather than solve: place or length may be constant.
    found = np.linalg.lstsq(products[:3, :3], products[:3, 3], rcond=1e-10)[0]
    return float(found[0])


def _reassigned(entries: Sequence[EntryMass], rng: np.random.Generator) -> list[float]:
    """The overlaps, permuted among the entries of each group."""
    rows: dict[str, list[int]] = {}
    for i, entry in enumerate(entries):
        rows.setdefault(entry.group, []).append(i)
    found = [0.0] * len(entries)
    for members in rows.values():
        for i, j in zip(members, rng.permutation(members).tolist(), strict=True):
            found[i] = entries[j].overlap
    return found
