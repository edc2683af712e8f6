"""Whether memory moves the residual stream the way an explicit order does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fairmem.drift.intervals import Estimate, mean_interval
from fairmem.drift.probes.directions import (
    Specificity,
    auc,
    cosine,
    difference_of_means,
    left_out_directions,
    random_cosines,
    specificity,
)
from fairmem.drift.probes.reading import READS, States
from fairmem.metrics import sign_flip
from fairmem.seeds import numpy_rng

VALUE = READS.index("value")


@dataclass(frozen=True, slots=True)
class LayerShift:
    """One layer and read point, over all scenarios with their directions of the left-out domain.

    Attributes:
        layer: From 0.
        read: See `READS`.
        separation: Mean of <h(explicit) - h(plain), v> over the sd of <h(plain), v>: how well the direction carries
            over to the domain it has not seen. The layer for all further numbers is chosen by it, not by memory.
        projection: Of the memory shift, in units of the noise; `auc` of it against that noise.
    """

    layer: int
    read: str
    separation: float
    projection: Estimate
    auc: float


@dataclass(frozen=True, slots=True)
class BiasShift:
    """One bias at the chosen layer. `cosine` is of the mean memory shift and the direction, with what chance gives."""

    bias: str
    cosine: float
    random_low: float
    random_high: float
    projection: Estimate
    opposite: Estimate


@dataclass(frozen=True, slots=True)
class Shifts:
    """What memory does along the directions of orders.

    `auc` compares biased minus neutral with neutral of another scenario minus neutral; its ends are by bootstrap over
    scenarios. `p` is of the projection, by sign flips.
    """

    layer: int
    layers: tuple[LayerShift, ...]
    biases: tuple[BiasShift, ...]
    projection: Estimate
    opposite: Estimate
    p: float
    auc: float
    auc_low: float
    auc_high: float
    specificity: Specificity


def measure_shifts(states: States, *, seed: int = 0, draws: int = 1000) -> Shifts:
    """The shifts of `states`.

    Raises:
        ValueError: a bias has scenarios in one domain only.
    """
    count = states.of["plain"].shape[2]
    layers = [_layer(states, layer, read, seed) for read in range(len(READS)) for layer in range(count)]
    at_value = [one for one in layers if one.read == "value"]
    layer = max(at_value, key=lambda one: one.separation).layer
    biased = _along(states, "biased", layer, VALUE)
    again = _along(states, "again", layer, VALUE)
    opposite = _along(states, "opposite", layer, VALUE)
    noise = _spread(again)
    own = own_column(states)
    biased_S, again_S, opposite_S = (matrix[np.arange(len(own)), own] for matrix in (biased, again, opposite))
    low, high = _auc_ends(biased_S, again_S, seed, draws)
    return Shifts(
        layer=layer,
        layers=tuple(layers),
        biases=tuple(_bias(states, bias, layer, biased_S / noise, opposite_S / noise, seed) for bias in _names(states)),
        projection=mean_interval(biased_S / noise, seed=seed),
        opposite=mean_interval(opposite_S / noise, seed=seed),
        p=sign_flip(biased_S, seed=seed),
        auc=auc(biased_S, again_S),
        auc_low=low,
        auc_high=high,
        specificity=specificity(biased / noise, states.biases, seed=seed, draws=2 * draws),
    )


def _names(states: States) -> list[str]:
    return list(dict.fromkeys(states.biases))


def own_column(states: States) -> np.ndarray:
    """The column of each scenario's own bias [S]."""
    names = _names(states)
    return np.array([names.index(bias) for bias in states.biases])


def directions_at(states: States, layer: int, read: int = VALUE) -> dict[tuple[str, str], np.ndarray]:
    """(bias, domain left out) -> direction at `layer`."""
    explicit, plain = states.of["explicit"][:, read, layer], states.of["plain"][:, read, layer]
    return left_out_directions(explicit, plain, states.biases, states.domains)


def _along(states: States, arm: str, layer: int, read: int) -> np.ndarray:
    """<h(arm) - h(neutral), direction of each bias without the scenario's domain> [S, B]."""
    found = directions_at(states, layer, read)
    shift = states.of[arm][:, read, layer] - states.of["neutral"][:, read, layer]
    rows = [[shift[i] @ found[bias, domain] for bias in _names(states)] for i, domain in enumerate(states.domains)]
    return np.array(rows, dtype=np.float64)


def _spread(again: np.ndarray) -> float:
    """Sd of the projections of neutral memories; 1 where they do not move at all, so that nothing becomes infinite."""
    spread = float(again.std())
    return spread if spread > 1e-9 else 1.0


def _layer(states: States, layer: int, read: int, seed: int) -> LayerShift:
    own = own_column(states)
    rows = np.arange(len(own))
    biased = _along(states, "biased", layer, read)[rows, own]
    again = _along(states, "again", layer, read)
    found = directions_at(states, layer, read)
    plain_S, explicit_S = (
        np.array(
            [
                states.of[arm][i, read, layer] @ found[bias, domain]
                for i, (bias, domain) in enumerate(zip(states.biases, states.domains, strict=True))
            ]
        )
        for arm in ("plain", "explicit")
    )
    gap = float((explicit_S - plain_S).mean())
    return LayerShift(
        layer,
        READS[read],
        gap / max(float(plain_S.std()), 1e-6 * max(1.0, abs(gap))),
        mean_interval(biased / _spread(again), seed=seed, resamples=2000),
        auc(biased, again[rows, own]),
    )


def _bias(states: States, bias: str, layer: int, biased_S: np.ndarray, opposite_S: np.ndarray, seed: int) -> BiasShift:
    rows = [i for i, name in enumerate(states.biases) if name == bias]
    explicit, plain = states.of["explicit"][rows, VALUE, layer], states.of["plain"][rows, VALUE, layer]
    vector, _ = difference_of_means(explicit, plain)
    shift = (states.of["biased"] - states.of["neutral"])[rows, VALUE, layer].mean(axis=0)
    low, high = random_cosines(shift, seed=seed)
    return BiasShift(
        bias,
        cosine(shift, vector),
        low,
        high,
        mean_interval(biased_S[rows], seed=seed),
        mean_interval(opposite_S[rows], seed=seed),
    )


def _auc_ends(higher_S: np.ndarray, lower_S: np.ndarray, seed: int, draws: int) -> tuple[float, float]:
    if len(higher_S) < 2:
        return math.nan, math.nan
    picked = numpy_rng(seed, "drift-auc").integers(0, len(higher_S), size=(draws, len(higher_S)))
    low, high = np.quantile([auc(higher_S[row], lower_S[row]) for row in picked], [0.025, 0.975])
    return float(low), float(high)
