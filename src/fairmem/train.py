"""The training run: collect, reward, credit, learn, evaluate, log. It sequences; the maths is elsewhere.

    conversations -> plans        episodes/curriculum.py, episodes/rerollout.py
    plans -> rewarded trees       episodes/group.py
    trees -> advantages           credit/assign.py
    advantages -> rows -> weights learner/
    before and after              eval/

Everything random is drawn from streams named by (seed, step), so a run that was killed and resumed from its
last checkpoint ends with the same `metrics.jsonl` as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmem.config import RESOLVED, Recipe, save_resolved
from fairmem.credit import CREDIT_RULES, Credit, Hindsight, Need, assign, check_rule
from fairmem.episodes import (
    Conversations,
    EpisodeRunner,
    RunReport,
    StepPlan,
    build_runner,
    hindsight_logprobs,
    step_metrics,
    step_timing,
    steps_of,
    training_plan,
)
from fairmem.errors import ConfigError
from fairmem.eval import EvalResult, evaluate, make_header, report_run
from fairmem.learner import Learner, Row, export, load_latest, rows_of, save_checkpoint, with_lora
from fairmem.policy import Policy, open_policy, open_ready
from fairmem.policy.hf import HFPolicy
from fairmem.runlog import RunLog, Sink, TensorBoardSink, WandbSink
from fairmem.seeds import derive
from fairmem.trace import EpisodeTree, write_trace
from fairmem.types import Conversation


@dataclass(slots=True)
class _Workbench:
    """What a run holds open."""

    recipe: Recipe
    folder: Path
    policy: HFPolicy
    answerer: Policy
    learner: Learner
    runner: EpisodeRunner
    conversations: Conversations


def run(recipe: Recipe, folder: Path, resume: bool = False) -> int:
    """Train as `recipe` says, leaving everything in `folder`; returns the exit status.

    Raises:
        FairmemError: the recipe, its data, a model or an endpoint cannot be used; said before work starts.
    """
    bench = _open(recipe, folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_resolved(recipe, folder / RESOLVED)
    done = _restore(bench) if resume else 0
    steps = steps_of(recipe)
    try:
        with RunLog(folder, len(steps), resume_from=done if resume else None, sinks=_sinks(recipe, folder)) as log:
            _evaluate(bench, "before", log)
            for plan in steps[done:]:
                _train_step(bench, plan, log)
                if recipe.checkpoint.every and (plan.step + 1) % recipe.checkpoint.every == 0:
                    _checkpoint(bench, plan.step + 1)
            _checkpoint(bench, len(steps))
            _export(bench)
            _evaluate(bench, "after", log)
    finally:
        bench.policy.close()
        bench.answerer.close()
    print(report_run(folder))
    return 0


def _open(recipe: Recipe, folder: Path) -> _Workbench:
    """Open data and models; whatever is wrong with the recipe is said here, before anything is written."""
    check_rule(recipe)
    conversations = Conversations(recipe)
    model = recipe.model
    opened = open_policy(model.path, device=model.device, dtype=model.dtype, batch=recipe.rollout.batch)
    if not isinstance(opened, HFPolicy):
        raise ConfigError(f"model.path is '{model.path}'; training needs a model in this process: bundled or a folder")
    config = recipe.answerer
    local = {"device": model.device, "dtype": model.dtype, "batch": recipe.rollout.batch}
    answerer = open_ready(config.path, config.base_url, config.api_key_env, **local)
    if model.lora_rank:
        opened.model = with_lora(opened.model, model.lora_rank)
    reference = None
    if model.reference != "start":
        found = open_policy(model.reference, device=model.device, dtype=model.dtype)
        reference = found.model if isinstance(found, HFPolicy) else None
    learner = Learner(
        opened.model,
        reference,
        recipe.learner,
        temperature=recipe.rollout.temperature,
        seed=derive(recipe.seed, "learner"),
    )
    runner = build_runner(recipe, {"extractor": opened, "manager": opened, "answerer": answerer})
    return _Workbench(recipe, folder, opened, answerer, learner, runner, conversations)


def _sinks(recipe: Recipe, folder: Path) -> tuple[Sink, ...]:
    sinks: list[Sink] = [TensorBoardSink(folder / "tensorboard")] if recipe.log.tensorboard else []
    if recipe.log.wandb:
        sinks.append(WandbSink(recipe.name, recipe.model_dump(mode="json"), folder))
    return tuple(sinks)


def _restore(bench: _Workbench) -> int:
    """Steps that are done, according to the newest whole checkpoint; 0 if the run was stopped before its first."""
    root = bench.folder / "checkpoints"
    if not root.is_dir():
        return 0
    return int(load_latest(root, bench.learner).counters["step"])


def _train_step(bench: _Workbench, plan: StepPlan, log: RunLog) -> None:
    """One step: roll out, credit, learn, log."""
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
    learned = bench.learner.step(rows)
    metrics: dict[str, Any] = {"stage": f"stage {plan.stage_index + 1} ({plan.stage.sessions} sessions)"}
    metrics |= step_metrics(trees, credits, report, learned)
    if recipe.eval.every and (plan.step + 1) % recipe.eval.every == 0 and bench.conversations.validation:
        metrics["val_f1"] = _validate(bench, log)
    timing = step_timing(started, rolled, learned, report, time.perf_counter())
    log.log(plan.step + 1, metrics, timing)
    _trace(bench, plan, trees, report)


def _credits(bench: _Workbench, recipe: Recipe, trees: Sequence[EpisodeTree]) -> list[Credit]:
    """Credit of every tree, with a second pass over what was sampled for rules that look at it in hindsight."""
    known: Sequence[Hindsight | None] = [None] * len(trees)
    if Need.HINDSIGHT_LOGPROB in CREDIT_RULES[recipe.credit.rule].needs:
        known = hindsight_logprobs(trees, bench.runner.policies)
    return [assign(tree, settings=recipe.credit, hindsight=of) for tree, of in zip(trees, known, strict=True)]


def _trace(bench: _Workbench, plan: StepPlan, trees: Sequence[EpisodeTree], report: RunReport) -> None:
    every = bench.recipe.log.trace_every
    if every and plan.step % every == 0:
        path = bench.folder / "trace" / f"step-{plan.step + 1:06d}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        write_trace(path, trees, {"run": bench.recipe.name, "seed": bench.recipe.seed, "calls": report.waves.calls})


def _checkpoint(bench: _Workbench, step: int) -> None:
    if bench.recipe.checkpoint.every:
        save_checkpoint(bench.folder / "checkpoints", step, bench.learner, {"step": step}, bench.recipe.checkpoint.keep)


def _export(bench: _Workbench) -> None:
    recipe = bench.recipe
    about = {
        "prompts": bench.policy.family,
        "run": recipe.name,
        "from": recipe.model.path,
        "agents": recipe.agents.model_dump(mode="json"),  # `fairmem eval` plays the model as it was trained
    }
    export(bench.learner.model, bench.policy.tokenizer, bench.folder / "model", about)


def _validate(bench: _Workbench, log: RunLog) -> float | None:
    result = _run_eval(bench, bench.conversations.validation, log)
    scores = [answer.score for answer in result.answers if answer.score is not None]
    return sum(scores) / len(scores) if scores else None


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
    header = make_header(recipe, bench.runner, recipe.data.source, bench.policy.name, bench.answerer.name)
    return evaluate(bench.runner, talks, header, progress=lambda text: log.status(f"evaluating: {text}"))
