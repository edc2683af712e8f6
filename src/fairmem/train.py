"""The training run: collect, reward, credit, learn, evaluate, log. It sequences; the maths is elsewhere.

    conversations -> plans        episodes/curriculum.py, episodes/rerollout.py
    plans -> rewarded trees       episodes/group.py
    trees -> advantages           credit/assign.py
    advantages -> rows -> weights learner/
    scores -> next stage          episodes/stages.py
    before and after              eval/

Everything random is drawn from streams named by (seed, step), and everything a decision rests on is in the
checkpoint, so a run that was killed and resumed ends with the same `metrics.jsonl` as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmem.config import CHECKPOINTS, RESOLVED, Recipe, save_resolved
from fairmem.credit import check_rule
from fairmem.episodes import (
    Conversations,
    Decision,
    EpisodeRunner,
    Progress,
    StepPlan,
    after_step,
    build_runner,
    collect,
    engine_side,
    first,
    keep_trace,
    next_step,
    sampled_tokens,
    step_metrics,
    step_timing,
    steps_left,
    tree_plans,
    validates,
)
from fairmem.errors import ConfigError
from fairmem.eval import EvalResult, evaluate, make_header, report_run, validation_scores
from fairmem.learner import (
    Backbones,
    Serving,
    fresh_rows,
    load_latest,
    load_weights,
    open_backbones,
    open_serving,
    prune_weights,
    save_checkpoint,
    save_weights,
)
from fairmem.learner.engines import EMBEDDED, Engine, Job, open_engine
from fairmem.policy import Policy, open_ready, open_writers
from fairmem.runlog import RunLog, Sink, TensorBoardSink, WandbSink
from fairmem.trace import Role
from fairmem.types import Conversation


@dataclass(slots=True)
class _Workbench:
    """What a run holds open."""

    recipe: Recipe
    folder: Path
    backbones: Backbones
    answerer: Policy
    runner: EpisodeRunner
    conversations: Conversations
    serving: Serving | None = None
    """Servers that sample in place of the trained model, and `version`, of the weights it has."""
    version: int = 0

    def close(self) -> None:
        """Let go of models and connections."""
        self.backbones.close()
        self.answerer.close()
        if self.serving is not None:
            self.serving.close()

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
        return _run_outside(outside, Job(recipe, folder, resume, engine_side.__name__, tuple(options)))
    if options:
        raise ConfigError(f"engine option '{options[0]}': the embedded engine has none; its settings are recipe keys")
    bench = _open(recipe, folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_resolved(recipe, folder / RESOLVED)
    progress = _restore(bench) if resume else first(recipe)
    resumed = progress.step if resume else None
    bench.version = progress.step
    try:
        with RunLog(folder, progress.step + steps_left(progress, recipe), resumed, _sinks(recipe, folder)) as log:
            _evaluate(bench, "before", log)
            while (plan := next_step(progress, recipe)) is not None:
                metrics, timing = _train_step(bench, plan, log)
                progress = progress.sampled(metrics["sampled_tokens"])
                scores = _validate(bench, log) if validates(plan, recipe.eval.every, progress.tokens) else {}
                progress, decision = after_step(progress, recipe, scores)
                metrics |= {"sampled_tokens_total": progress.tokens_total} | scores
                metrics |= {"stage_end": decision.ending} if decision.ending else {}
                log.log(progress.step, metrics, timing, steps_left(progress, recipe))
                _proceed(bench, progress, decision, log)
            about = {"run": recipe.name, "from": recipe.model.path, "agents": recipe.agents.model_dump(mode="json")}
            bench.backbones.export(folder / "model", about)  # `fairmem eval` plays it with the agents it had
            _evaluate(bench, "after", log)
    finally:
        bench.close()
    print(report_run(folder))
    return 0


def _run_outside(engine: Engine, job: Job) -> int:
    """The same run with an engine that owns the training loop: evaluate, train there, evaluate what it exported."""
    recipe, folder = job.recipe, job.folder
    check_rule(recipe)
    conversations = Conversations(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    save_resolved(recipe, folder / RESOLVED)
    _evaluate_model(recipe, folder, conversations, "before", recipe.model.path)
    engine.train(job)
    _evaluate_model(recipe, folder, conversations, "after", str(folder / "model"))
    print(report_run(folder))
    return 0


def _evaluate_model(recipe: Recipe, folder: Path, conversations: Conversations, when: str, model: str) -> None:
    """Evaluate a model that no engine holds, unless that is done already; it is let go again afterwards."""
    talks = conversations.test or conversations.validation
    path = folder / f"eval_{when}.jsonl"
    if path.exists() or not talks:
        return
    answering = recipe.answerer
    local: dict[str, Any] = {"device": recipe.model.device, "dtype": recipe.model.dtype, "batch": recipe.rollout.batch}
    answerer = open_ready(answering.path, answering.base_url, answering.api_key_env, **local)
    policies = open_writers(model, "", answering.api_key_env, **local)
    runner = build_runner(recipe, {**policies, "answerer": answerer})
    header = make_header(recipe, runner, recipe.data.source, policies["manager"].name, answerer.name)
    evaluate(runner, talks, header).save(path)


def _open(recipe: Recipe, folder: Path) -> _Workbench:
    """Open data and models; whatever is wrong with the recipe is said here, before anything is written."""
    check_rule(recipe)
    conversations = Conversations(recipe)
    backbones = open_backbones(recipe)
    model, answering = recipe.model, recipe.answerer
    local: dict[str, Any] = {"device": model.device, "dtype": model.dtype, "batch": recipe.rollout.batch}
    answerer = open_ready(answering.path, answering.base_url, answering.api_key_env, **local)
    serving = open_serving(recipe, backbones, folder)
    writing = backbones.policies if serving is None else serving.policies
    policies: dict[Role, Policy] = {**writing, "answerer": answerer}
    return _Workbench(recipe, folder, backbones, answerer, build_runner(recipe, policies), conversations, serving)


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


def _train_step(bench: _Workbench, plan: StepPlan, log: RunLog) -> tuple[dict[str, Any], dict[str, Any]]:
    """One step: roll out, credit, learn; returns its metrics and its timing."""
    recipe = bench.recipe.at(plan.stage)
    synced = _sync(bench, log)
    started = time.perf_counter()
    log.status("rolling out")
    plans = tree_plans(recipe, bench.conversations, plan)
    collected = collect(bench.runner, recipe, plans, plan.step, bench.backbones.team.critic_values)
    rolled = time.perf_counter()
    log.status("learning")
    rows, stale = collected.rows, 0
    if bench.serving is not None:
        rows, stale = fresh_rows(rows, bench.version, recipe.sampler.max_staleness)
        bench.serving.changed()
    learned = bench.backbones.team.step(rows)
    bench.version = plan.step + 1
    metrics: dict[str, Any] = {"stage": f"stage {plan.stage_index + 1} ({plan.stage.sessions} sessions)"}
    metrics |= step_metrics(collected.trees, collected.credits, collected.report, learned)
    metrics["sampled_tokens"] = sampled_tokens(collected.trees, recipe.model.train)
    metrics |= {"stale_rows": stale} if bench.serving is not None else {}
    keep_trace(bench.folder, bench.recipe, plan.step, collected.trees, collected.report)
    return metrics, synced | step_timing(started, rolled, learned, collected.report, time.perf_counter())


def _sync(bench: _Workbench, log: RunLog, now: bool = False) -> dict[str, float]:
    """Give servers that sample the weights of the model that learns, if there are servers and it is time (or `now`)."""
    if bench.serving is None:
        return {}
    log.status("sending weights")
    return bench.serving.bring(bench.version, now, log.say)


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
    if bench.serving is not None and weights is not None:
        bench.serving.changed()


def _validate(bench: _Workbench, log: RunLog) -> dict[str, float | None]:
    talks = bench.conversations.validation
    return validation_scores(_run_eval(bench, talks, log)) if talks else {}


def _evaluate(bench: _Workbench, when: str, log: RunLog) -> None:
    """Evaluate on the test conversations (else the validation ones) unless that is done already."""
    path = bench.folder / f"eval_{when}.jsonl"
    talks = bench.conversations.test or bench.conversations.validation
    if path.exists() or not talks:
        return
    log.say(f"evaluating {when} training on {len(talks)} conversations")
    _run_eval(bench, talks, log).save(path)


def _run_eval(bench: _Workbench, talks: Sequence[Conversation], log: RunLog) -> EvalResult:
    recipe = bench.recipe
    _sync(bench, log, now=True)
    header = make_header(recipe, bench.runner, recipe.data.source, bench.backbones.name, bench.answerer.name)
    return evaluate(bench.runner, talks, header, progress=lambda text: log.status(f"evaluating: {text}"))
