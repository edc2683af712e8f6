"""Where the token before a watched value looks: attention on memory, task, schema and system, and on each entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.drift.deflection import scored_values
from fairmem.drift.intervals import Estimate, mean_interval
from fairmem.drift.local import form_of
from fairmem.drift.probes.attention import attention_rows
from fairmem.drift.probes.overlap import EntryMass, Slope, overlap_slope, rarity, weighted_overlap
from fairmem.drift.probes.reading import ask_of, beginning
from fairmem.drift.probes.spans import spans
from fairmem.drift.scenario import Scenario, Target
from fairmem.drift.schema import parameter, parts
from fairmem.policy.hf import HFPolicy

PARTS = ("memory", "task", "schema", "system", "reply")


@dataclass(frozen=True, slots=True)
class PartMass:
    """Attention on one part, without the first token.

    `neutral`: its share with neutral memory; `change`: how much more with biased; `density`: the biased share per
    token, relative to an even spread.
    """

    part: str
    neutral: Estimate
    change: Estimate
    density: Estimate


@dataclass(frozen=True, slots=True)
class Looking:
    """Means over heads, layers and watched parameters, per scenario.

    `sink` is the share that the first token takes; `by_layer` the change on memory per layer; `skipped` names layers
    whose weights could not be read, which are left out of all means.
    """

    parts: tuple[PartMass, ...]
    sink: Estimate
    by_layer: dict[int, float]
    slope: Slope
    skipped: dict[int, str]


def measure_looking(
    policy: HFPolicy, scenarios: Sequence[Scenario], *, memories: int, seed: int = 0, draws: int = 1000
) -> Looking:
    """Attention rows on every scenario with biased and with neutral memory."""
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    densities: dict[str, list[float]] = defaultdict(list)
    sinks: list[float] = []
    by_layer: dict[int, list[float]] = defaultdict(list)
    entries: list[EntryMass] = []
    skipped: dict[int, str] = {}
    weights = rarity([m.text for s in scenarios for m in (*s.memories.biased, *s.memories.neutral)])
    for scenario in scenarios:
        of_arm: dict[str, dict[int, float]] = {}
        for arm in ("biased", "neutral"):
            looks = [_look(policy, scenario, arm, target, memories, weights) for target in scenario.targets]
            for look in looks:
                skipped |= look.skipped
            seen = [look for look in looks if look.by_layer]
            if not seen:
                continue
            for part in PARTS:
                shares[part, arm].append(float(np.mean([look.share[part] for look in seen])))
            of_arm[arm] = {at: float(np.mean([look.by_layer[at] for look in seen])) for at in seen[0].by_layer}
            if arm == "biased":
                sinks.append(float(np.mean([look.sink for look in seen])))
                for part in PARTS:
                    densities[part].append(float(np.mean([look.density[part] for look in seen])))
                entries += [entry for look in seen for entry in look.entries]
        if len(of_arm) == 2:
            for at, value in of_arm["biased"].items():
                by_layer[at].append(value - of_arm["neutral"][at])
    found: list[PartMass] = []
    for part in PARTS:
        biased, neutral = np.array(shares[part, "biased"]), np.array(shares[part, "neutral"])
        found.append(
            PartMass(
                part,
                mean_interval(neutral, seed=seed),
                mean_interval(biased - neutral, seed=seed),
                mean_interval(densities[part], seed=seed),
            )
        )
    return Looking(
        tuple(found),
        mean_interval(sinks, seed=seed),
        {at: float(np.mean(values)) for at, values in sorted(by_layer.items())},
        overlap_slope(entries, seed=seed, draws=draws),
        dict(sorted(skipped.items())),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    share: dict[str, float]
    density: dict[str, float]
    sink: float
    by_layer: dict[int, float]
    entries: list[EntryMass]
    skipped: dict[int, str]


def _look(
    policy: HFPolicy, scenario: Scenario, arm: str, target: Target, memories: int, weights: dict[str, float]
) -> _Look:
    ask = ask_of(arm, scenario, scenario, memories)
    last = len(beginning(policy, ask, target)) - 1
    where = spans(policy, ask, form_of(policy).call(ask, target.pointer, scored_values(scenario, target)[0]))
    rows = attention_rows(policy.model, where.ids[: last + 1], [last])
    if not rows.weights:
        return _Look({}, {}, float("nan"), {}, [], rows.skipped)
    by_layer = {layer: weights_HRT[:, 0].mean(axis=0) for layer, weights_HRT in rows.weights.items()}
    sink = float(np.mean([row[0] for row in by_layer.values()]))
    free = {layer: _without_first(row) for layer, row in by_layer.items()}
    mean = np.mean(list(free.values()), axis=0)
    held = {part: [t for t in where.parts[part] if 0 < t <= last] for part in PARTS}
    share = {part: float(mean[tokens].sum()) for part, tokens in held.items()}
    even = 1 / max(1, last)
    density = {part: share[part] / (even * max(1, len(tokens))) for part, tokens in held.items()}
    schema = parameter(scenario.tool.input_schema, target.pointer) or {}
    about = f"{parts(target.pointer)[-1].replace('_', ' ')} {schema.get('description', '')}"
    entries = [
        EntryMass(
            scenario.id,
            f"{scenario.id}{target.pointer}",
            weighted_overlap(memory.text, about, weights),
            place,
            len(tokens),
            float(mean[list(tokens)].mean()) / even,
        )
        for place, (memory, tokens) in enumerate(zip(ask.memories, where.memories, strict=True))
        if tokens
    ]
    on_memory = {layer: float(row[held["memory"]].sum()) for layer, row in free.items()}
    return _Look(share, density, sink, on_memory, entries, rows.skipped)


def _without_first(row_T: np.ndarray) -> np.ndarray:
    """The row with its first token, where attention goes that is for nothing, taken out; it sums to 1 again."""
    rest = row_T.astype(np.float64).copy()
    rest[0] = 0.0
    total = float(rest.sum())
    return rest / total if total > 1e-9 else rest
