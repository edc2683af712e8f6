"""A training run with an engine that has a loop of its own: its stages one after another, and the scores around them.

An engine trains one stage, from a model in a folder to a model in a folder. For a run of several stages, or one that
is validated, it gets a folder per stage, `stages/1`, `stages/2` ... below the run's, and the model of one is where the
next begins; what becomes of a stage is decided as in any run (`episodes.stages`). Metrics and traces are put together
in the run's folder, which looks like any other. A run that was killed goes on in the stage it was in.

Simplified: validation comes at the end of a stage only, so a stage hands on its last weights and not its best.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairmem.config import RESOLVED, Recipe, load_recipe, save_resolved
from fairmem.credit import check_rule
from fairmem.episodes import Conversations, StepPlan, after_step, build_runner, engine_side, first, next_step
from fairmem.eval import EvalResult, evaluate, make_header, report_run, validation_scores
from fairmem.eval.runs import AFTER, BEFORE
from fairmem.learner.engines import Engine, Job
from fairmem.policy import open_ready, open_writers, read_about
from fairmem.policy.model_folder import ABOUT
from fairmem.policy.torch_setup import release_memory
from fairmem.replace import replace_text
from fairmem.runlog import read_metrics, replace_metrics
from fairmem.types import Conversation

STAGES = "stages"
"""Below the run's folder: the folders of its stages, by number from 1."""
_VALIDATED = "eval_validation.jsonl"
_LOGS = ("metrics.jsonl", "timing.jsonl")


def run_outside(engine: Engine, recipe: Recipe, folder: Path, resume: bool, options: Sequence[str]) -> str:
    """Evaluate, train with `engine`, evaluate what it made; returns the report.

    Raises:
        FairmemError: as for `fairmem.train.run`.
    """
    job = Job(recipe, folder, resume, engine_side.__name__, tuple(options))
    check_rule(recipe)
    conversations = Conversations(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    save_resolved(recipe, folder / RESOLVED)
    talks = conversations.test or conversations.validation
    if talks:
        _evaluated(recipe, talks, recipe.model.path, folder / BEFORE)
    if sum(stage.steps > 0 for stage in recipe.stages) == 1 and not recipe.eval.every:
        engine.train(job)
    else:
        _train_stages(engine, job, conversations.validation)
    if talks:
        _evaluated(recipe, talks, str(folder / "model"), folder / AFTER)
    return report_run(folder)


def _train_stages(engine: Engine, job: Job, validation: Sequence[Conversation]) -> None:
    """Every stage in its folder, until there is none or the promotion rule stops; the last model is the run's."""
    recipe, progress, model = job.recipe, first(job.recipe), job.recipe.model.path
    while (plan := next_step(progress, recipe)) is not None:
        folder = job.folder / STAGES / str(plan.stage_index + 1)
        _train_stage(engine, job, plan, model, folder)
        model = str(folder / "model")
        scores: dict[str, float | None] = {}
        if recipe.eval.every and validation:
            scores = validation_scores(_evaluated(recipe, validation, model, folder / _VALIDATED))
        last = plan.stage.steps - 1
        progress = replace(progress, step=plan.step + last, step_in_stage=last)
        progress, decision = after_step(progress, recipe, scores)
        _put_together(job.folder, folder, plan, {**scores, "stage_end": decision.ending})
        print(decision.says, file=sys.stderr)
    if not (job.folder / "model").exists():
        _hand_out(Path(model), job.folder / "model", recipe.model.path)


def _train_stage(engine: Engine, job: Job, plan: StepPlan, model: str, folder: Path) -> None:
    """Train one stage from `model`, or go on with it; nothing if it is done."""
    if (folder / "model" / ABOUT).is_file():
        return
    begun = (folder / RESOLVED).is_file()
    if not begun:
        folder.mkdir(parents=True, exist_ok=True)
        engine_side.begin_at(folder, plan.step)
        own = [
            stage if number == plan.stage_index else stage.model_copy(update={"steps": 0})
            for number, stage in enumerate(job.recipe.stages)
        ]
        section = job.recipe.model.model_copy(update={"path": model})
        save_resolved(job.recipe.model_copy(update={"model": section, "stages": tuple(own)}), folder / RESOLVED)
    part = load_recipe(folder / RESOLVED)
    engine.train(Job(part, folder, begun, job.episodes, job.options))


def _put_together(run: Path, stage: Path, plan: StepPlan, end: Mapping[str, Any]) -> None:
    """Put the stage's metrics after those of the run's earlier steps, with `end` in the last line, and its traces."""
    for name in _LOGS:
        rows = [row for row in read_metrics(run / name) if row["step"] <= plan.step] + read_metrics(stage / name)
        if name == _LOGS[0]:
            rows[-1] |= end
        replace_metrics(run / name, rows)
    for trace in sorted((stage / "trace").glob("*")):
        (run / "trace").mkdir(exist_ok=True)
        _share(trace, run / "trace" / trace.name)


def _hand_out(model: Path, target: Path, start: str) -> None:
    """The model of the last stage as that of the run, which began with `start`."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for file in model.iterdir():
        if file.name != ABOUT:
            _share(file, partial / file.name)
    replace_text(partial / ABOUT, json.dumps({**read_about(model), "from": start}, indent=2) + "\n")
    partial.rename(target)


def _share(file: Path, target: Path) -> None:
    """`file` under a second name, or a copy where the file system has no second names."""
    if target.exists():
        return
    try:
        os.link(file, target)
    except OSError:
        shutil.copy2(file, target)


def _evaluated(recipe: Recipe, talks: Sequence[Conversation], model: str, path: Path) -> EvalResult:
    """The evaluation at `path`; made, of a model that no engine holds, unless that is done already."""
    if path.exists():
        return EvalResult.load(path)
    result = _evaluate(recipe, talks, model)
    result.save(path)
    release_memory()  # the engine is next
    return result


def _evaluate(recipe: Recipe, talks: Sequence[Conversation], model: str) -> EvalResult:
    answering = recipe.answerer
    local: dict[str, Any] = {"device": recipe.model.device, "dtype": recipe.model.dtype, "batch": recipe.rollout.batch}
    answerer = open_ready(answering.path, answering.base_url, answering.api_key_env, **local)
    policies = open_writers(model, "", answering.api_key_env, **local)
    runner = build_runner(recipe, {**policies, "answerer": answerer})
    header = make_header(recipe, runner, recipe.data.source, policies["manager"].name, answerer.name)
    return evaluate(runner, talks, header)
