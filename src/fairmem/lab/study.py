"""`fairmem lab`: every rule in every world, as one JSON file that everything shown is made from.

A cell is a world, an interaction and a horizon; in each, every rule is measured on the same replications. The first
interaction is run in the world `mixed` over all horizons; the other interactions and worlds at the middle horizon.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError, DataError
from fairmem.lab.bench import DECISION_TOKENS, Bench
from fairmem.lab.estimators import RULES, Estimator, chosen
from fairmem.lab.exact import solve
from fairmem.lab.measures import RATIOS, Estimate, Parts, measure, parts_of, versus
from fairmem.lab.policy import sensible_policy
from fairmem.lab.script import draw_script
from fairmem.lab.world import WORLDS
from fairmem.seeds import numpy_rng

VERSION = 1
"""Of lab.json."""
BASELINE = "grpo"
"""The rule that the others' signal-to-noise is compared with."""


@dataclass(frozen=True, slots=True)
class LabSettings:
    """What `fairmem lab` runs.

    Attributes:
        rules: Names of rules.
        horizons: Sessions.
        interactions: How much sessions interact, 0 to 1; the first is run over all horizons.
        worlds: Worlds besides `mixed`, run at the middle horizon with the first interaction.
        replications: Conversations per cell; intervals are over these.
        estimates: Gradient estimates per conversation and rule.
        tokens: Sampled tokens per estimate and session of the horizon.
        skill: Of the policy whose gradient is estimated (`fairmem.lab.policy.sensible_policy`).
        seed: Of everything.
    """

    rules: tuple[str, ...] = tuple(RULES)
    horizons: tuple[int, ...] = (8, 16, 32, 64, 128)
    interactions: tuple[float, ...] = (0.5, 0.0, 0.25, 0.75, 1.0)
    worlds: tuple[str, ...] = ("undone", "delayed")
    replications: int = 8
    estimates: int = 64
    tokens: int = 1280
    skill: float = 1.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, values in (("rules", self.rules), ("horizons", self.horizons), ("interactions", self.interactions)):
            if not values or len(set(values)) != len(values):
                raise ConfigError(f"--{name} must name at least one, each once; found {list(values)}")
        if min(self.horizons) < 2:
            raise ConfigError(f"--horizons is {list(self.horizons)}; a conversation needs 2 sessions or more")
        if self.replications < 1 or self.estimates < 2 or self.tokens < 1:
            raise ConfigError(
                "--replications and --tokens must be 1 or more and --estimates 2 or more, found "
                f"{self.replications}, {self.tokens} and {self.estimates}"
            )
        for world in self.worlds:
            if world not in WORLDS:
                raise ConfigError(f"no world '{world}' in the lab; expected some of {', '.join(WORLDS)}")

    @property
    def middle(self) -> int:
        """The horizon in the middle."""
        return sorted(self.horizons)[(len(self.horizons) - 1) // 2]

    @property
    def cells(self) -> list[tuple[str, float, int]]:
        """(world, interaction, horizon) of every cell."""
        first = self.interactions[0]
        curve = [("mixed", first, horizon) for horizon in sorted(self.horizons)]
        others = [("mixed", interaction, self.middle) for interaction in self.interactions[1:]]
        return curve + others + [(world, first, self.middle) for world in self.worlds if world != "mixed"]


def run_lab(settings: LabSettings, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Measure everything; the same settings give the same result.

    Returns:
        What lab.json holds: `version`, `settings`, `decision_tokens`, `rules` (name -> what it compares) and `cells`,
        each with `world`, `interaction`, `horizon`, `expected_return` and `results`: rule -> `tokens`, `questions`
        and, for every measure of `fairmem.lab.measures` and `versus_grpo`, [value, low, high] (null: not to be had).

    Raises:
        ConfigError: an unknown rule, an interaction outside [0, 1], or a budget too small for a rule.
    """
    estimators = chosen(settings.rules)
    cells: list[dict[str, Any]] = []
    for world, interaction, horizon in settings.cells:
        say(f"{world}, interaction {interaction:g}, {horizon} sessions")
        cells.append(_cell(settings, estimators, world, interaction, horizon))
    return {
        "version": VERSION,
        "settings": json.loads(json.dumps(asdict(settings))),
        "decision_tokens": DECISION_TOKENS,
        "rules": {estimator.name: estimator.about for estimator in estimators},
        "cells": cells,
    }


def _cell(
    settings: LabSettings, estimators: Sequence[Estimator], world: str, interaction: float, horizon: int
) -> dict[str, Any]:
    parts: dict[str, list[Parts]] = {estimator.name: [] for estimator in estimators}
    returns: list[float] = []
    # The address of a random stream holds no float.
    path = (world, f"{interaction:g}", horizon)
    world_settings = WORLDS[world](horizon, interaction)
    for replication in range(settings.replications):
        script = draw_script(world_settings, numpy_rng(settings.seed, "lab", *path, replication, "script"))
        values = solve(script, sensible_policy(settings.skill))
        returns.append(values.expected_return)
        bench = Bench(values, settings.estimates, settings.tokens * horizon, settings.seed, (*path, replication))
        for estimator in estimators:
            parts[estimator.name].append(parts_of(bench, estimator.sample(bench)))
    return {
        "world": world,
        "interaction": interaction,
        "horizon": horizon,
        "expected_return": _rounded(sum(returns) / len(returns)),
        "results": {name: _result(found, parts.get(BASELINE)) for name, found in parts.items()},
    }


def _result(parts: Sequence[Parts], baseline: Sequence[Parts] | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        name: _rounded(sum(part[name] for part in parts) / len(parts)) for name in ("tokens", "questions")
    }
    for name in RATIOS:
        result[name] = _listed(measure(parts, name))
    result["versus_grpo"] = None if baseline is None else _listed(versus(parts, baseline))
    return result


def _listed(estimate: Estimate) -> list[float | None]:
    return [_rounded(number) for number in (estimate.value, estimate.low, estimate.high)]


def _rounded(number: float) -> float | None:
    """Four significant digits: what is beyond differs between machines."""
    return None if math.isnan(number) else float(f"{number:.4g}")


def save(result: Mapping[str, Any], path: Path) -> None:
    """Write lab.json."""
    text = json.dumps(result, indent=1, allow_nan=False)
    # A list of numbers reads better on one line.
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path) -> dict[str, Any]:
    """Read lab.json.

    Raises:
        DataError: not readable, not JSON, or of another version.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable lab.json: {error}") from error
    if result.get("version") != VERSION:
        raise DataError(
            f"{path}: version {result.get('version')} of lab.json, expected {VERSION}; run fairmem lab anew"
        )
    return result
