"""Training a tool user that memory does not move, as `fairmem train` runs it: its steps, its scores, its report.

What is trained is a model that calls tools in compact prompts, as `fairmem drift plant` makes one; what it is scored on
are held-out scenarios of the small world, in all arms of an audit, before training and after.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmem.config import RESOLVED, SMALL_WORLD, Recipe, load_recipe
from fairmem.drift.arms import make_arms
from fairmem.drift.intervals import RESAMPLES, Estimate
from fairmem.drift.local import ScoredModel
from fairmem.drift.report import finite_json
from fairmem.drift.runner import run_audit
from fairmem.drift.small.groups import GroupScore, group_scores, scores_json
from fairmem.drift.small.training import collect_pairs
from fairmem.drift.small.world import small_world
from fairmem.drift.trials import RUN, read_run
from fairmem.episodes import StepPlan
from fairmem.errors import ConfigError
from fairmem.eval.page import Page, Table, to_html, to_markdown, to_text
from fairmem.policy import folder_of
from fairmem.replace import replace_text
from fairmem.runlog import RunLog

if TYPE_CHECKING:
    from fairmem.learner import Backbones

PRACTICE_FORMAT = "fairmem-drift-training"
_LEARNED = ("loss", "kl", "entropy", "grad_norm", "clip_fraction", "ratio_mean", "approx_kl", "sampler_gap", "rows")


class ToolPractice:
    """The steps and scores of one run in `folder`.

    The recipe is one that `check_recipe` has seen.

    Raises:
        ConfigError: the model reads no compact prompts.
    """

    def __init__(self, recipe: Recipe, folder: Path, backbones: Backbones) -> None:
        self.recipe, self.folder, self._backbones = recipe, folder, backbones
        self._policy = backbones.policies["tooluser"]
        if self._policy.family != "compact":
            raise ConfigError(
                f"model.path is '{recipe.model.path}', which does not read compact prompts; make a tool user with "
                "'fairmem drift plant --out FOLDER' and give model.path=FOLDER/model"
            )

    def begin(self, step: int) -> None:
        """Nothing depends on how many steps the weights have seen."""

    def step(self, plan: StepPlan, log: RunLog) -> tuple[dict[str, Any], dict[str, Any]]:
        """One training step: its metrics and its timing."""
        recipe = self.recipe.at(plan.stage)
        started = time.perf_counter()
        log.status("sampling calls")
        collected = collect_pairs(self._policy, recipe, plan.step)
        rolled = time.perf_counter()
        log.status("learning")
        learned = self._backbones.team.step(collected.rows)
        metrics: dict[str, Any] = {"stage": f"stage {plan.stage_index + 1}", **collected.metrics}
        metrics |= {name: learned[name] for name in _LEARNED if name in learned}
        metrics["sampled_tokens"] = collected.sampled_tokens
        seconds = {"rollout_seconds": rolled - started, "learn_seconds": learned["seconds"]}
        speed = collected.sampled_tokens / max(rolled - started, 1e-9)
        return metrics, {"seconds": time.perf_counter() - started, **seconds, "tokens_per_second": speed}

    def validate(self, log: RunLog) -> dict[str, float | None]:
        """Nothing is validated during training."""
        return {}

    def evaluate(self, when: str, log: RunLog) -> None:
        """Audit the model as it is, in `folder`/audit_`when`; what is done already is not done again."""
        scenarios = small_world(self.recipe.data.seed, "test", self.recipe.drift.scenarios)

        def tell(done: int, planned: int) -> None:
            log.status(f"audit {when} training: {done} of {planned} trials")

        run_audit(ScoredModel(self._policy), scenarios, make_arms(), [0], self.folder / f"audit_{when}", progress=tell)

    def report(self) -> str:
        """See `report_practice`."""
        return report_practice(self.folder)

    def close(self) -> None:
        """Nothing is held open beside the models."""


def check_recipe(recipe: Recipe) -> None:
    """Refuse what a tool user is not trained with.

    Raises:
        ConfigError: names the key, and what to set.
    """
    wrong = (
        (recipe.data.source != SMALL_WORLD, "data.source", recipe.data.source, SMALL_WORLD),
        (recipe.credit.rule != "grpo", "credit.rule", recipe.credit.rule, "grpo"),
        (recipe.eval.every > 0, "eval.every", recipe.eval.every, 0),
        (recipe.model.train != "all", "model.train", recipe.model.train, "all"),
        (recipe.model.backbones != "shared", "model.backbones", recipe.model.backbones, "shared"),
    )
    folder = folder_of(recipe.model.path)
    if folder is not None and not folder.exists():
        raise ConfigError(
            f"model.path is '{recipe.model.path}', which is not there; make a tool user with "
            f"'fairmem drift plant --out {folder.parent}', or give the folder of one"
        )
    for so, key, found, expected in wrong:
        if so:
            raise ConfigError(f"{key} is '{found}': training a tool user on {SMALL_WORLD} needs {key}={expected}")


def report_practice(folder: Path) -> str:
    """Write the report of the run in `folder`, finished or stopped, there, and return it as text.

    Files: `drift.json` (format `fairmem-drift-training`: group -> scores before and after), `report.md`, `report.html`.

    Raises:
        ConfigError, CheckpointError: not such a run's folder, or something in it is damaged.
    """
    recipe = load_recipe(folder / RESOLVED)
    check_recipe(recipe)
    scores = {when: scores_of(folder / f"audit_{when}", recipe) for when in ("before", "after")}
    page = _page(recipe, scores)
    content = {
        "format": PRACTICE_FORMAT,
        "version": 1,
        "run": recipe.name,
        "from": recipe.model.path,
        **{when: scores_json(found) for when, found in scores.items()},
    }
    replace_text(folder / "drift.json", json.dumps(finite_json(content), indent=2, allow_nan=False) + "\n")
    replace_text(folder / "report.md", to_markdown(page))
    replace_text(folder / "report.html", to_html(page))
    return f"{to_text(page)}\nWritten to {folder}: report.html, report.md, drift.json\n"


def finished(audit: Path) -> bool:
    """Whether `audit` is the folder of an audit of which every trial is there."""
    if not (audit / RUN).is_file():
        return False
    run = read_run(audit)
    return len(run.trials) == run.planned


def scores_of(audit: Path, recipe: Recipe, resamples: int = RESAMPLES) -> dict[str, GroupScore]:
    """Group -> scores of a finished audit; empty if it is not there or not finished."""
    if not finished(audit):
        return {}
    return group_scores(read_run(audit), recipe.drift.biases, recipe.drift.domains, resamples)


def _page(recipe: Recipe, scores: Mapping[str, Mapping[str, GroupScore]]) -> Page:
    before, after = scores["before"], scores["after"]
    groups = list(before or after)
    rows: list[tuple[str, ...]] = []
    for group in groups:
        parts = (before.get(group), after.get(group))
        count = next(part.scenarios for part in parts if part)
        rows.append(
            (
                f"{group} ({count})",
                *(_cell(part.drift if part else None, "+") for part in parts),
                *(_cell(part.success if part else None) for part in parts),
                *(_cell(part.ordered if part else None, "+") for part in parts),
            )
        )
    columns = ("scenarios", "drift before", "after", "success before", "after", "ordered before", "after")
    trained = f"Trained on {', '.join(recipe.drift.biases)} in {', '.join(recipe.drift.domains)}."
    if not after:
        trained += " Training is not finished."
    note = (
        "Drift is deflection with eight biased memories minus without memory; success is doing what a relevant memory "
        "asks for; ordered is deflection under an explicit order, which is meant to be obeyed. 95 % intervals over "
        "scenarios, all of them held out."
    )
    tables = (Table("Before and after training", columns, tuple(rows), note),)
    return Page(f"Tool user {recipe.name}", (trained,), tables)


def _cell(score: Estimate | None, sign: str = "") -> str:
    return "–" if score is None else f"{score.mean:{sign}.3f} [{score.low:{sign}.3f}, {score.high:{sign}.3f}]"
