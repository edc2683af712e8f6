"""The planted model behind each defence, audited on some of the held-out scenarios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmem.drift import make_arms, open_model, read_run, run_audit, summarise
from fairmem.drift.defenses import DEFENSES, DefendedModel, DefenseSettings, Resources, open_defense
from fairmem.drift.small import small_world
from fairmem.drift.trials import Run
from fairmem.memory import build_embedder

if TYPE_CHECKING:
    from fairmem.drift.probes import SavedDirection
    from fairmem.policy.hf import HFPolicy

NOT_ALONE = ("schema-tightening", "llm-filter")
"""Defences that need rules, or a model that writes text; they are left out."""
ALONE = tuple(name for name in DEFENSES if name not in NOT_ALONE)
"""All others."""

ARMS = ("none", "neutral", "biased-8", "relevant")

RESAMPLES = 100
"""Of the intervals within a seed, which are not told: those of the study are over seeds."""


def defended_scores(
    names: Sequence[str],
    model: Path,
    audit: Run,
    place: Path,
    world: tuple[int, int],
    say: Callable[[str], None],
) -> dict[str, dict[str, float]]:
    """Defence -> scores of the planted model behind it, `undefended` first.

    Args:
        names: Defences, of `ALONE`; without any nothing is scored.
        model: Folder of the planted model.
        audit: Of it without defence, on all scenarios.
        place: Folder of the seed; below `defended` every audit lies, and is gone on with.
        world: Seed and scenarios per cell of the small world that is audited.
        say: Told what is done next.
    """
    if not names:
        return {}
    seed, per_cell = world
    scenarios = small_world(seed, "test", per_cell)
    known = {scenario.id for scenario in scenarios}
    part = replace(
        audit,
        scenarios={name: scenario for name, scenario in audit.scenarios.items() if name in known},
        trials={key: trial for key, trial in audit.trials.items() if key[0] in known},
    )
    found = {"undefended": _short(arm_scores(part))}
    resources = Resources(embedder=build_embedder("hashed"))
    opened: Any = open_model(str(model))
    try:
        for name in names:
            say(f"behind {name}")
            settings = DefenseSettings()
            if name == "direction-ablation":
                settings = DefenseSettings(directions=_directions(opened.policy, model, place / "probe", seed))
            shielded = DefendedModel(opened, open_defense(name, settings), resources)
            run_audit(shielded, scenarios, make_arms(ARMS), [0], place / "defended" / name)
            found[name] = _short(arm_scores(read_run(place / "defended" / name)))
    finally:
        opened.close()
    return found


def _directions(policy: HFPolicy, model: Path, place: Path, seed: int) -> tuple[SavedDirection, ...]:
    """The directions that a probe finds on scenarios of the validation split, from `place` if they are there."""
    from fairmem.drift.defenses.direction_ablation import read_directions
    from fairmem.drift.probes import ProbeConfig, model_hash, probe_model, write_report

    weights = model_hash(model)
    if not (place / "probe.json").is_file():
        write_report(probe_model(policy, small_world(seed, "val", 1), ProbeConfig(), model_hash=weights), place)
    return tuple(read_directions(place, weights))


def _short(arms: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Drift, what neutral memory does, relevant success, and the share of trials without a usable call."""
    lost = sum(arm["lost"] for arm in arms.values()) / len(arms)
    return {
        "drift": arms["biased-8"]["delta"],
        "neutral": arms["neutral"]["delta"],
        "success": arms["relevant"]["success"],
        "lost": lost,
    }


def arm_scores(run: Run) -> dict[str, dict[str, float]]:
    """Arm -> mean D, its difference to none, success, and the share of trials without a usable call."""
    return {
        arm.name: {
            "deflection": arm.deflection.mean,
            "delta": 0.0 if arm.delta is None else arm.delta.mean,
            "success": arm.success.mean,
            "lost": arm.lost,
        }
        for arm in summarise(run, resamples=RESAMPLES).arms
    }
