"""The small model end to end: a planted bias beside its closed form, defences, and a policy trained not to drift.

For each seed a model is planted (`fairmem drift plant`), audited in all arms, put behind defences, trained (`fairmem
train drift_aware_small`) and audited again. All seeds are audited on the same held-out scenarios, so intervals over
seeds are about training, not about scenarios. Everything lies in the folder of its seed, and a study that was stopped
goes on where it was.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fairmem.config import RESOLVED, Recipe, load_recipe
from fairmem.drift import Scenario, make_arms, read_run
from fairmem.drift.files import digest
from fairmem.drift.report import finite_json
from fairmem.drift.runner import plan
from fairmem.drift.small import Plant, PlantModel, small_world
from fairmem.drift.small.practice import finished, scores_of
from fairmem.drift.trials import Run, RunHeader, Trial
from fairmem.errors import ConfigError
from fairmem.planted.defended import ALONE, RESAMPLES, arm_scores, defended_scores
from fairmem.planted.page import page
from fairmem.policy import weights_digest
from fairmem.pretrain.plant import PlantSettings, plant_model
from fairmem.replace import replace_text
from fairmem.side_by_side import side_by_side
from fairmem.study import over_seeds
from fairmem.train import run as train

FORMAT = "fairmem-drift-study"
VERSION = 1


@dataclass(frozen=True, slots=True)
class StudySettings:
    """What is studied.

    Attributes:
        seeds: One planted model and one trained policy each.
        recipe: Of the training.
        overrides: Of the recipe, as `key=value`.
        plant: How models are planted, its seed aside.
        defenses: Names of defences to put around each planted model.
        per_cell: Scenarios per bias and domain that defences are measured on.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    recipe: str = "drift_aware_small"
    overrides: tuple[str, ...] = ()
    plant: PlantSettings = field(default_factory=PlantSettings)
    defenses: tuple[str, ...] = ALONE
    per_cell: int = 1

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds are {list(self.seeds)}, expected different ones")
        for name in self.defenses:
            if name not in ALONE:
                raise ConfigError(f"defence {name!r}: the study takes some of {', '.join(ALONE)}")


def run_study(
    settings: StudySettings, out: Path, say: Callable[[str], None] = lambda _: None, jobs: int = 1
) -> dict[str, Any]:
    """Do what `out` does not have yet; returns the study, also written to `out`/study.json and study.md.

    With `jobs` above 1 so many seeds are done at a time, in processes that share the cores and that write what they
    `say` to standard error.

    Raises:
        ConfigError: a wrong recipe or defence, `jobs` below 1, or `out` holds something else.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs is {jobs}, expected at least 1")
    load_recipe(settings.recipe, settings.overrides)  # what is wrong with it is said before anything is trained
    calls = [(settings, seed, out / f"seed-{seed}", say if jobs == 1 else _tell) for seed in settings.seeds]
    seeds = [_seed(*call) for call in calls] if jobs == 1 else side_by_side(_seed, calls, jobs)
    study = summarise_study(settings, seeds)
    save_study(study, out / "study.json")
    return study


def save_study(study: Mapping[str, Any], path: Path) -> None:
    """Write `study` to `path`, a `.json`, and its page beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(study, indent=2, allow_nan=False) + "\n")
    replace_text(path.with_suffix(".md"), page(study))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _seed(settings: StudySettings, seed: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything of one seed, as plain data."""
    model = plant_model(
        replace(settings.plant, seed=seed), folder / "planted", lambda line: say(f"seed {seed}: planting: {line}")
    )
    recipe = _trained(settings, seed, folder, model, say)
    audit = read_run(folder / recipe.name / "audit_before")
    before, after = (
        scores_of(folder / recipe.name / f"audit_{when}", recipe, RESAMPLES) for when in ("before", "after")
    )
    return {
        "seed": seed,
        "arms": arm_scores(audit),
        "groups": {
            name: {"scenarios": before[name].scenarios, "before": before[name].means(), "after": after[name].means()}
            for name in before
        },
        "defenses": defended_scores(
            settings.defenses,
            model,
            audit,
            folder,
            (recipe.data.seed, settings.per_cell),
            lambda line: say(f"seed {seed}: {line}"),
        ),
    }


def _trained(settings: StudySettings, seed: int, folder: Path, model: Path, say: Callable[[str], None]) -> Recipe:
    """Train from `model` below `folder` unless that is done; returns the recipe."""
    overrides = [*settings.overrides, f"seed={seed}", f"model.path={json.dumps(str(model))}"]
    recipe = load_recipe(settings.recipe, overrides)
    place = folder / recipe.name
    if not finished(place / "audit_after"):
        say(f"seed {seed}: training in {place}")
        with contextlib.redirect_stdout(io.StringIO()):  # the report of each run lies in its folder
            train(recipe, place, resume=(place / RESOLVED).is_file())
    return recipe


def closed_form(plant: Plant, scenarios: Sequence[Scenario]) -> dict[str, dict[str, float]]:
    """`arm_scores` of a model that does exactly what `plant` says."""
    model, arms = PlantModel(plant), make_arms()
    asks = list(plan(scenarios, arms, [0]))
    trials = [Trial.of(ask, answer) for ask, answer in zip(asks, model.answer(asks), strict=True)]
    header = RunHeader(
        model=model.name,
        exact=True,
        settings=dict(model.settings),
        arms=tuple((arm.name, arm.count) for arm in arms),
        seeds=(0,),
        digest=digest(scenarios),
    )
    return arm_scores(Run(header, {s.id: s for s in scenarios}, {trial.key: trial for trial in trials}))


def summarise_study(settings: StudySettings, seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The study as plain data: every seed, the closed form, and means over seeds with Student-t intervals.

    `arms`: arm -> `truth` and, over seeds, `delta` and `success`; `groups`: group -> `scenarios` and score -> `before`,
    `after` and `difference` over seeds; `defenses`: name -> score over seeds.
    """
    recipe = load_recipe(settings.recipe, settings.overrides)
    truth = closed_form(settings.plant.plant, small_world(recipe.data.seed, "test", recipe.drift.scenarios))
    words = ["fairmem", "drift", "study", *settings.overrides, "--seeds", ",".join(str(s) for s in settings.seeds)]
    words += _changed(settings)

    def over(*path: str) -> dict[str, float | int | None]:
        return over_seeds([_at(seed, path) for seed in seeds])

    def change(group: str, score: str) -> dict[str, Any]:
        before, after = ([_at(seed, ("groups", group, when, score)) for seed in seeds] for when in ("before", "after"))
        moved = [last - first for first, last in zip(before, after, strict=True)]
        return {"before": over_seeds(before), "after": over_seeds(after), "difference": over_seeds(moved)}

    first = seeds[0]
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "command": " ".join(words),
        "plant": asdict(settings.plant),
        "recipe": recipe.model_dump(mode="json", exclude={"seed"}),
        "weights": weights_digest(settings.plant.base),
        "defended_scenarios": len(small_world(0, "test", settings.per_cell)),
        "arms": {
            name: {
                "truth": {"delta": truth[name]["delta"], "success": truth[name]["success"]},
                "delta": over("arms", name, "delta"),
                "success": over("arms", name, "success"),
                "lost": over("arms", name, "lost"),
            }
            for name in first["arms"]
        },
        "groups": {
            name: {"scenarios": first["groups"][name]["scenarios"]}
            | {score: change(name, score) for score in first["groups"][name]["before"]}
            for name in first["groups"]
        },
        "defenses": {
            name: {score: over("defenses", name, score) for score in scores}
            for name, scores in first["defenses"].items()
        },
        "seeds": list(seeds),
    }
    return finite_json(content)


def _changed(settings: StudySettings) -> list[str]:
    """Words of the command for what is not as it is by default."""
    usual, found = StudySettings(), list[str]()
    if settings.recipe != usual.recipe:
        found += ["--recipe", settings.recipe]
    if settings.plant.plant.alpha != usual.plant.plant.alpha:
        found += ["--alpha", f"{settings.plant.plant.alpha:g}"]
    if settings.plant.steps != usual.plant.steps:
        found += ["--plant-steps", str(settings.plant.steps)]
    if settings.defenses != usual.defenses:
        found += ["--defenses", ",".join(settings.defenses) or "none"]
    return found


def _at(seed: Mapping[str, Any], path: Sequence[str]) -> float:
    found: Any = seed
    for name in path:
        found = found[name]
    return float(found)
