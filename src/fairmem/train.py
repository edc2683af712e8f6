"""The training run: collect, reward, credit, learn, evaluate, log. It sequences; the maths is elsewhere.

    with an engine of its own     outside.py
    one step, scores, report      practice.py, which goes through the next lines
    conversations -> plans        episodes/curriculum.py, episodes/rerollout.py
    plans -> rewarded trees       episodes/group.py
    (tasks with tools             drift/small/practice.py)
    trees -> advantages           credit/assign.py
    advantages -> rows -> weights learner/
    scores -> next stage          episodes/stages.py
    before and after              eval/

Everything random is drawn from streams named by (seed, step), and everything a decision rests on is in the
checkpoint, so a run that was killed and resumed ends with the same `metrics.jsonl` as one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmem.config import CHECKPOINTS, RESOLVED, SMALL_WORLD, Recipe, save_resolved
from fairmem.credit import check_rule
from fairmem.drift.small.practice import ToolPractice, check_recipe
from fairmem.episodes import (
    Conversations,
    Decision,
    Progress,
    after_step,
    build_runner,
    first,
    needs_teacher,
    next_step,
    open_teacher,
    steps_left,
    validates,
)
from fairmem.errors import ConfigError
from fairmem.learner import (
    Backbones,
    load_latest,
    load_weights,
    open_backbones,
    open_serving,
    prune_weights,
    save_checkpoint,
    save_weights,
)
from fairmem.learner.engines import EMBEDDED, open_engine
from fairmem.outside import run_outside
from fairmem.policy import Policy, open_ready
from fairmem.practice import MemoryPractice, Practice
from fairmem.runlog import RunLog, Sink, TensorBoardSink, WandbSink
from fairmem.trace import Role


@dataclass(slots=True)
class _Workbench:
    """What a run holds open."""

    recipe: Recipe
    folder: Path
    backbones: Backbones
    practice: Practice

    @property
    def checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS


def run(recipe: Recipe, folder: Path, resume: bool = False, engine: str = EMBEDDED, options: Sequence[str] = ()) -> int:
    """Train as `recipe` says, leaving everything in `folder`; returns the exit status.

    Args:
        recipe: What to train.
        folder: Of the run.
        resume: Go on with the run that is there.
        engine: A name of `fairmem.learner.engines.ENGINES`.
        options: The engine's own settings, as `key=value`.

    Raises:
        FairmemError: the recipe, its data, a model, an endpoint or the engine cannot be used; said before work starts.
    """
    outside = open_engine(engine, recipe)
    if outside is not None:
        print(run_outside(outside, recipe, folder, resume, options))
        return 0
    if options:
        raise ConfigError(f"engine option '{options[0]}': the embedded engine has none; its settings are recipe keys")
    bench = _open(recipe, folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_resolved(recipe, folder / RESOLVED)
    progress = _restore(bench) if resume else first(recipe)
    resumed = progress.step if resume else None
    bench.practice.begin(progress.step)
    try:
        with RunLog(folder, progress.step + steps_left(progress, recipe), resumed, _sinks(recipe, folder)) as log:
            bench.practice.evaluate("before", log)
            while (plan := next_step(progress, recipe)) is not None:
                metrics, timing = bench.practice.step(plan, log)
                progress = progress.sampled(metrics["sampled_tokens"])
                scores = bench.practice.validate(log) if validates(plan, recipe.eval.every, progress.tokens) else {}
                progress, decision = after_step(progress, recipe, scores)
                metrics |= {"sampled_tokens_total": progress.tokens_total} | scores
                metrics |= {"stage_end": decision.ending} if decision.ending else {}
                log.log(progress.step, metrics, timing, steps_left(progress, recipe))
                _proceed(bench, progress, decision, log)
            about = {"run": recipe.name, "from": recipe.model.path, "agents": recipe.agents.model_dump(mode="json")}
            bench.backbones.export(folder / "model", about)  # `fairmem eval` plays it with the agents it had
            bench.practice.evaluate("after", log)
    finally:
        bench.backbones.close()
        bench.practice.close()
    print(bench.practice.report())
    return 0


def _open(recipe: Recipe, folder: Path) -> _Workbench:
    """Open data and models; whatever is wrong with the recipe is said here, before anything is written."""
    check_rule(recipe)
    if recipe.data.source == SMALL_WORLD:
        check_recipe(recipe)
        backbones = open_backbones(recipe)
        return _Workbench(recipe, folder, backbones, ToolPractice(recipe, folder, backbones))
    conversations = Conversations(recipe)
    backbones = open_backbones(recipe)
    model, answering = recipe.model, recipe.answerer
    local: dict[str, Any] = {"device": model.device, "dtype": model.dtype, "batch": recipe.rollout.batch}
    answerer: Policy = backbones.answerer or open_ready(
        answering.path, answering.base_url, answering.api_key_env, **local
    )
    serving = open_serving(recipe, backbones, folder)
    writing = backbones.policies if serving is None else serving.policies
    policies: dict[Role, Policy] = {**writing, "answerer": answerer}
    runner = build_runner(recipe, policies)
    teacher = build_runner(recipe, open_teacher(recipe, policies)) if needs_teacher(recipe) else None
    practice = MemoryPractice(recipe, folder, backbones, answerer, runner, teacher, conversations, serving)
    return _Workbench(recipe, folder, backbones, practice)


def _sinks(recipe: Recipe, folder: Path) -> tuple[Sink, ...]:
    sinks: list[Sink] = [TensorBoardSink(folder / "tensorboard")] if recipe.log.tensorboard else []
    if recipe.log.wandb:
        sinks.append(WandbSink(recipe.name, recipe.model_dump(mode="json"), folder))
    return tuple(sinks)


def _restore(bench: _Workbench) -> Progress:
    """Where the newest whole checkpoint left off; the start, if the run was stopped before its first."""
    if not any(bench.checkpoints.glob("step-*")):
        return first(bench.recipe)

    def prepare(counters: dict[str, Any]) -> None:  # the reference is not in the checkpoint: it is made again
        progress = Progress.from_dict(counters)
        _begin_stage(bench, progress, progress.start if bench.recipe.model.reference == "stage" else None)

    return Progress.from_dict(load_latest(bench.checkpoints, bench.backbones.team, prepare).counters)


def _proceed(bench: _Workbench, progress: Progress, decision: Decision, log: RunLog) -> None:
    """Carry out what was decided after a step: keep weights, change stages, save."""
    root, every, team = bench.checkpoints, bench.recipe.checkpoint.every, bench.backbones.team
    kept = progress.kept(bench.recipe.model.reference == "stage")
    if progress.step in kept:
        save_weights(root, progress.step, team.weights())
    if decision.ending:
        log.say(decision.says)
        _begin_stage(bench, progress, decision.hand_on)
    if every and (progress.step % every == 0 or decision.ending):
        save_checkpoint(root, progress.step, team, progress.as_dict(), bench.recipe.checkpoint.keep, kept)
    else:
        prune_weights(root, kept)


def _begin_stage(bench: _Workbench, progress: Progress, start: int | None) -> None:
    """Begin the stage of `progress` from the weights kept of step `start`; none: from the present ones."""
    recipe = bench.recipe
    settings = recipe.at(recipe.stages[min(progress.stage, len(recipe.stages) - 1)]).learner
    weights = load_weights(bench.checkpoints, start) if start else None
    bench.backbones.team.restart(weights, settings, recipe.model.reference == "stage")
    bench.practice.begin(progress.step)
