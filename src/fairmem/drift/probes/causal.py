"""Whether the direction matters: it is taken out with biased memory, and put in without, and E[D] is read again.

Both are done from the last token of the prompt on, in a band of layers around the chosen one, with the direction fitted
on other domains. A random direction of the same length, treated alike, is what any such damage does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.drift.answer import Ask
from fairmem.drift.deflection import expected_deflection
from fairmem.drift.intervals import Estimate, mean_interval
from fairmem.drift.local import ScoredModel, form_of
from fairmem.drift.probes.directions import difference_of_means
from fairmem.drift.probes.reading import States, ask_of
from fairmem.drift.probes.residual import Change, ablation, addition, changed
from fairmem.drift.probes.shifts import VALUE, directions_at
from fairmem.policy.hf import HFPolicy
from fairmem.seeds import numpy_rng


@dataclass(frozen=True, slots=True)
class Dose:
    """`amount` times what an order moves, added without memory: the change of E[D], and a random direction's."""

    amount: float
    effect: Estimate
    random: Estimate


@dataclass(frozen=True, slots=True)
class Causal:
    """Changes of E[D], per scenario.

    Attributes:
        band: Layers that were changed.
        drift: Biased minus neutral, untouched.
        ablated: With biased memory, the direction taken out minus untouched; below zero undoes drift.
        random: The same with a random direction.
        net: `ablated` minus `random`: what this direction does beyond any.
        doses: See `Dose`.
        lost: Scenarios without an answer in one of the runs.
    """

    band: tuple[int, ...]
    drift: Estimate
    ablated: Estimate
    random: Estimate
    net: Estimate
    doses: tuple[Dose, ...]
    lost: int


def measure_causes(
    policy: HFPolicy,
    states: States,
    layer: int,
    *,
    memories: int,
    doses: Sequence[float],
    reach: int = 1,
    seed: int = 0,
) -> Causal:
    """Ablate and add on every scenario of `states`; `reach` layers on either side of `layer` are changed too."""
    layers = states.of["plain"].shape[2]
    band = tuple(range(max(0, layer - reach), min(layers, layer + reach + 1)))
    directions = {at: directions_at(states, at) for at in band}
    rows: list[dict[str, float]] = []
    for scenario in states.scenarios:
        bias, domain = scenario.dimension, scenario.domain
        rest = [j for j, other in enumerate(states.scenarios) if other.domain != domain]
        alike = [j for j in rest if states.scenarios[j].dimension == bias]
        rng = numpy_rng(seed, "drift-random-ablation", scenario.id)
        take: dict[str, dict[int, Change]] = {"own": {}, "random": {}}
        put: dict[tuple[str, float], dict[int, Change]] = {(kind, d): {} for kind in take for d in doses}
        for at in band:
            other = rng.standard_normal(states.of["plain"].shape[3])
            _, length = difference_of_means(
                states.of["explicit"][alike, VALUE, at], states.of["plain"][alike, VALUE, at]
            )
            for kind, v in (("own", directions[at][bias, domain]), ("random", other / np.linalg.norm(other))):
                take[kind][at] = ablation(v, float((states.of["neutral"][rest, VALUE, at] @ v).mean()))
                # The band shares the dose, since what is added in one layer stays in the stream.
                for d in doses:
                    put[kind, d][at] = addition(v, d * length / len(band))
        asks = {arm: ask_of(arm, scenario, scenario, memories) for arm in ("none", "neutral", "biased")}
        row = {arm: _expected(policy, ask, {}) for arm, ask in asks.items()}
        row |= {f"take {kind}": _expected(policy, asks["biased"], changes) for kind, changes in take.items()}
        row |= {f"put {kind} {d}": _expected(policy, asks["none"], changes) for (kind, d), changes in put.items()}
        rows.append(row)
    whole = [row for row in rows if all(map(math.isfinite, row.values()))]

    def gap(after: str, before: str) -> Estimate:
        return mean_interval([row[after] - row[before] for row in whole], seed=seed)

    return Causal(
        band,
        gap("biased", "neutral"),
        gap("take own", "biased"),
        gap("take random", "biased"),
        gap("take own", "take random"),
        tuple(Dose(d, gap(f"put own {d}", "none"), gap(f"put random {d}", "none")) for d in doses),
        len(rows) - len(whole),
    )


def _expected(policy: HFPolicy, ask: Ask, changes: Mapping[int, Change]) -> float:
    """E[D] of one trial under `changes`; nan without an answer."""
    start = len(policy.token_ids(form_of(policy).prompt(ask))) - 1
    with changed(policy.model, changes, start):
        (answer,) = ScoredModel(policy).answer([ask])
    found = None if answer.distribution is None else expected_deflection(ask.scenario, answer.distribution)
    return math.nan if found is None else found
