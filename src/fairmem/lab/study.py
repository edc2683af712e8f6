"""`fairmem lab`: every rule in every world, as one JSON file that everything shown is made from.

A cell is a world, an interaction, a skill of the policy and a horizon; in each, every rule is measured on the same
replications. The first interaction and skill are run in the world `mixed` over all horizons; the other interactions,
skills and worlds at the middle horizon.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fairmem.errors import ConfigError, DataError
from fairmem.lab.bench import DECISION_TOKENS, Bench
from fairmem.lab.estimators import RULES, Estimator, chosen
from fairmem.lab.exact import solve
from fairmem.lab.measures import RATIOS, Estimate, Parts, measure, parts_of, versus
from fairmem.lab.policy import sensible_policy
from fairmem.lab.script import draw_script
from fairmem.lab.world import WORLDS, mixed
from fairmem.replace import replace_text
from fairmem.seeds import numpy_rng

VERSION = 1
"""Of lab.json."""
BASELINES = ("grpo", "broadcast")
"""The rules that the others' signal-to-noise is compared with: GRPO with a reward per session, and with one in all."""


class Cell(NamedTuple):
    """Where every rule is measured."""

    world: str
    interaction: float
    skill: float
    horizon: int


@dataclass(frozen=True, slots=True)
class LabSettings:
    """What `fairmem lab` runs.

    Attributes:
        rules: Names of rules.
        horizons: Sessions.
        interactions: How much sessions interact, 0 to 1; the first is run over all horizons.
        worlds: Worlds besides `mixed`, run at the middle horizon with the first interaction.
        skills: Of the policy whose gradient is estimated, in nats (`fairmem.lab.policy.sensible_policy`); the first
            everywhere, the others in the world `mixed` at the middle horizon with the first interaction.
        replications: Conversations per cell; intervals are over these.
        estimates: Gradient estimates per conversation and rule.
        tokens: Sampled tokens per estimate and session of the horizon.
        seed: Of everything.
    """

    rules: tuple[str, ...] = tuple(RULES)
    horizons: tuple[int, ...] = (8, 16, 32, 64, 128)
    interactions: tuple[float, ...] = (0.5, 0.0, 0.25, 0.75, 1.0)
    worlds: tuple[str, ...] = ("undone", "delayed")
    skills: tuple[float, ...] = (1.5, 0.0, 3.0)
    replications: int = 8
    estimates: int = 64
    tokens: int = 1280
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rules", "horizons", "interactions", "skills"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ConfigError(f"--{name} must name at least one, each once; found {list(values)}")
        if not all(0 <= skill < 100 for skill in self.skills):
            raise ConfigError(f"--skills is {list(self.skills)}, expected numbers from 0 to 100 (nats)")
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
        for interaction in self.interactions:
            mixed(self.horizons[0], interaction)  # refuses what is out of range

    @property
    def middle(self) -> int:
        """The horizon in the middle."""
        return sorted(self.horizons)[(len(self.horizons) - 1) // 2]

    @property
    def cells(self) -> list[Cell]:
        """Every cell."""
        first, skill = self.interactions[0], self.skills[0]
        curve = [Cell("mixed", first, skill, horizon) for horizon in sorted(self.horizons)]
        moved = [Cell("mixed", interaction, skill, self.middle) for interaction in self.interactions[1:]]
        skilled = [Cell("mixed", first, other, self.middle) for other in self.skills[1:]]
        return curve + moved + skilled + [Cell(w, first, skill, self.middle) for w in self.worlds if w != "mixed"]


def run_lab(settings: LabSettings, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Measure everything; the same settings give the same result.

    Returns:
        What lab.json holds: `version`, `settings`, `decision_tokens`, `rules` (name -> what it compares) and `cells`,
        each with `world`, `interaction`, `skill`, `horizon`, `expected_return` and `results`: rule -> `tokens`,
        `questions` and, for every measure of `fairmem.lab.measures` and the snr as a multiple of that of `BASELINES`
        (`versus_grpo`, `versus_broadcast`), [value, low, high] (null: not to be had).

    Raises:
        ConfigError: an unknown rule, an interaction outside [0, 1], or a budget too small for a rule.
    """
    estimators = chosen(settings.rules)
    cells: list[dict[str, Any]] = []
    for cell in settings.cells:
        say(f"{cell.world}, interaction {cell.interaction:g}, skill {cell.skill:g}, {cell.horizon} sessions")
        cells.append(_measured(settings, estimators, cell))
    return {
        "version": VERSION,
        "settings": json.loads(json.dumps(asdict(settings))),
        "decision_tokens": DECISION_TOKENS,
        "rules": {estimator.name: estimator.about for estimator in estimators},
        "cells": cells,
    }


def _measured(settings: LabSettings, estimators: Sequence[Estimator], cell: Cell) -> dict[str, Any]:
    parts: dict[str, list[Parts]] = {estimator.name: [] for estimator in estimators}
    returns: list[float] = []
    # The address of a random stream holds no float. All skills are measured on the same conversations.
    path = (cell.world, f"{cell.interaction:g}", cell.horizon)
    world = WORLDS[cell.world](cell.horizon, cell.interaction)
    for replication in range(settings.replications):
        script = draw_script(world, numpy_rng(settings.seed, "lab", *path, replication, "script"))
        values = solve(script, sensible_policy(cell.skill))
        returns.append(values.expected_return)
        bench = Bench(values, settings.estimates, settings.tokens * cell.horizon, settings.seed, (*path, replication))
        for estimator in estimators:
            parts[estimator.name].append(parts_of(bench, estimator.sample(bench)))
    return {
        **cell._asdict(),
        "expected_return": _rounded(sum(returns) / len(returns)),
        "results": {name: _result(found, parts) for name, found in parts.items()},
    }


def _result(parts: Sequence[Parts], everyone: Mapping[str, Sequence[Parts]]) -> dict[str, Any]:
    result: dict[str, Any] = {
        name: _rounded(sum(part[name] for part in parts) / len(parts)) for name in ("tokens", "questions")
    }
    for name in RATIOS:
        result[name] = _listed(measure(parts, name))
    for name in BASELINES:
        result[f"versus_{name}"] = _listed(versus(parts, everyone[name])) if name in everyone else None
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
    replace_text(path, text + "\n")


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
