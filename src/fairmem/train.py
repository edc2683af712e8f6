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
from fairmem.credit import CREDIT_RULES, Credit, Critic, Hindsight, Need, assign, check_rule
from fairmem.episodes import (
    Conversations,
    Decision,
    EpisodeRunner,
    Progress,
    RunReport,
    StepPlan,
    after_step,
    build_runner,
    first,
    hindsight_logprobs,
    next_step,
    step_metrics,
    step_timing,
    steps_left,
    training_plan,
    validates,
)
from fairmem.eval import EvalResult, evaluate, make_header, report_run, validation_scores
from fairmem.learner import (
    Backbones,
    Row,
    load_latest,
    load_weights,
    open_backbones,
    prune_weights,
    rows_of,
    save_checkpoint,
    save_weights,
)
from fairmem.policy import Policy, open_ready
from fairmem.runlog import RunLog, Sink, TensorBoardSink, WandbSink
from fairmem.seeds import derive
from fairmem.trace import EpisodeTree, Role, write_trace
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

    @property
    def checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS


def run(recipe: Recipe, folder: Path, resume: bool = False) -> int:
    """Train as `recipe` says, leaving everything in `folder`; returns the exit status.

    Raises:
        FairmemError: the recipe, its data, a model or an endpoint cannot be used; said before work starts.
    """
    bench = _open(recipe, folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_resolved(recipe, folder / RESOLVED)
    progress = _restore(bench) if resume else first(recipe)
    resumed = progress.step if resume else None
    try:
        with RunLog(folder, progress.step + steps_left(progress, recipe), resumed, _sinks(recipe, folder)) as log:
            _evaluate(bench, "before", log)
            while (plan := next_step(progress, recipe)) is not None:
                metrics, timing = _train_step(bench, plan, log)
                scores = _validate(bench, log) if validates(plan, recipe.eval.every) else {}
                progress, decision = after_step(progress, recipe, scores)
                metrics |= scores | ({"stage_end": decision.ending} if decision.ending else {})
                log.log(progress.step, metrics, timing, steps_left(progress, recipe))
                _proceed(bench, progress, decision, log)
            about = {"run": recipe.name, "from": recipe.model.path, "agents": recipe.agents.model_dump(mode="json")}
            bench.backbones.export(folder / "model", about)  # `fairmem eval` plays it with the agents it had
            _evaluate(bench, "after", log)
    finally:
        bench.backbones.close()
        bench.answerer.close()
    print(report_run(folder))
    return 0


def _open(recipe: Recipe, folder: Path) -> _Workbench:
    """Open data and models; whatever is wrong with the recipe is said here, before anything is written."""
    check_rule(recipe)
    conversations = Conversations(recipe)
    backbones = open_backbones(recipe)
    model, answering = recipe.model, recipe.answerer
    local = {"device": model.device, "dtype": model.dtype, "batch": recipe.rollout.batch}
    answerer = open_ready(answering.path, answering.base_url, answering.api_key_env, **local)
    policies: dict[Role, Policy] = {**backbones.policies, "answerer": answerer}
    return _Workbench(recipe, folder, backbones, answerer, build_runner(recipe, policies), conversations)


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
    started = time.perf_counter()
    log.status("rolling out")
    talks = bench.conversations.for_step(plan, recipe.data.conversations_per_step)
    plans = [
        training_plan(c, recipe.rollout, recipe.eval.categories, derive(recipe.seed, "step", plan.step, index))
        for index, c in enumerate(talks)
    ]
    trees, report = bench.runner.run(plans, plan.step, plan.step, recipe.reward)
    rolled = time.perf_counter()
    log.status("learning")
    credits = _credits(bench, recipe, trees)
    rows: list[Row] = [row for tree, credit in zip(trees, credits, strict=True) for row in rows_of(tree, credit)]
    learned = bench.backbones.team.step(rows)
    metrics: dict[str, Any] = {"stage": f"stage {plan.stage_index + 1} ({plan.stage.sessions} sessions)"}
    metrics |= step_metrics(trees, credits, report, learned)
    _trace(bench, plan, trees, report)
    return metrics, step_timing(started, rolled, learned, report, time.perf_counter())


def _credits(bench: _Workbench, recipe: Recipe, trees: Sequence[EpisodeTree]) -> list[Credit]:
    """Credit of every tree, with a second pass over what was sampled for rules with hindsight or a critic."""
    needs = CREDIT_RULES[recipe.credit.rule].needs
    known: Sequence[Hindsight | None] = [None] * len(trees)
    critics: Sequence[Critic | None] = [None] * len(trees)
    if Need.HINDSIGHT_LOGPROB in needs:
        known = hindsight_logprobs(trees, bench.runner.policies)
    if Need.CRITIC in needs:
        critics = bench.backbones.team.critic_values(trees)
    return [
        assign(tree, settings=recipe.credit, hindsight=of, critic=critic)
        for tree, of, critic in zip(trees, known, critics, strict=True)
    ]


def _trace(bench: _Workbench, plan: StepPlan, trees: Sequence[EpisodeTree], report: RunReport) -> None:
    every = bench.recipe.log.trace_every
    if every and plan.step % every == 0:
        path = bench.folder / "trace" / f"step-{plan.step + 1:06d}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        write_trace(path, trees, {"run": bench.recipe.name, "seed": bench.recipe.seed, "calls": report.waves.calls})


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
    header = make_header(recipe, bench.runner, recipe.data.source, bench.backbones.name, bench.answerer.name)
    return evaluate(bench.runner, talks, header, progress=lambda text: log.status(f"evaluating: {text}"))
