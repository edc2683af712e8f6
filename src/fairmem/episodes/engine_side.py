"""What an outside training engine needs of the episodes: one conversation rolled out at a time, and the run's files.

An engine that owns the training loop (verl, TRL) calls these two from its own processes, each of which opens the run's
resolved recipe for itself: `Rollouts` where episodes are played, `Journal` where steps are counted. `fairmem.learner`
does not know this module; the run names it (see `fairmem.learner.engines`).

An engine counts the steps of its own run from 0. Where that is one stage of several (`fairmem.outside`), `begin_at` has
left in its folder how many were done before, so that conversations, seeds and lines are those of the whole run.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from fairmem.config import RESOLVED, Recipe, load_recipe
from fairmem.credit import assign
from fairmem.episodes.assemble import build_runner
from fairmem.episodes.collect import collect, keep_trace, tree_plans
from fairmem.episodes.curriculum import Conversations
from fairmem.episodes.executor import Wave, WaveStats
from fairmem.episodes.group import RunReport
from fairmem.episodes.stages import StepPlan, steps_of
from fairmem.episodes.step_metrics import sampled_tokens, step_metrics, step_timing
from fairmem.learner.engines import Rolled
from fairmem.policy import Family, Policy, Reply, SampleRequest, open_ready
from fairmem.replace import replace_text
from fairmem.runlog import RunLog
from fairmem.trace import EpisodeTree, Role

_FIRST = "first_step"
"""The file that says with which step of the whole run the folder's own step 0 begins; without it, with 0."""
_COUNTS = ("wave_seconds", "quiz_seconds", "quiz_items", "op_items", "local_groups", "identical_groups")
"""Fields of `RunReport` that add up over conversations and travel between processes."""


def begin_at(folder: Path, step: int) -> None:
    """Note that the run in `folder` begins with `step` (from 0) of a run of several stages."""
    replace_text(folder / _FIRST, f"{step}\n")


def _steps(recipe: Recipe, folder: Path) -> list[StepPlan]:
    """The steps of the run in `folder`, numbered as in the whole run."""
    path = folder / _FIRST
    first = int(path.read_text(encoding="utf-8")) if path.is_file() else 0
    return [replace(plan, step=first + plan.step) for plan in steps_of(recipe)]


class Rollouts:
    """Rolls out one conversation of one step with a policy of the engine; safe to call from several threads.

    Args:
        folder: Of the run; holds its resolved recipe.
    """

    def __init__(self, folder: Path) -> None:
        self.recipe = load_recipe(folder / RESOLVED)
        self._steps = _steps(self.recipe, folder)
        self._conversations = Conversations(self.recipe)
        answering, model = self.recipe.answerer, self.recipe.model
        local: dict[str, Any] = {"device": model.device, "dtype": model.dtype, "batch": self.recipe.rollout.batch}
        opened = open_ready(answering.path, answering.base_url, answering.api_key_env, **local)
        self._answerer: Policy = _OneAtATime(opened)

    def roll(self, step: int, index: int, policy: Policy) -> Rolled:
        """The tree of conversation `index` of the engine's `step` (both from 0), which `policy` writes in all roles.

        Raises:
            FairmemError: an episode cannot be run or rewarded.
        """
        plan = self._steps[step]
        recipe = self.recipe.at(plan.stage)
        policies: dict[Role, Policy] = dict.fromkeys(("extractor", "manager", "single"), policy)
        runner = build_runner(recipe, {**policies, "answerer": self._answerer})
        collected = collect(runner, recipe, [tree_plans(recipe, self._conversations, plan)[index]], plan.step)
        (tree,) = collected.trees
        report = collected.report
        facts: dict[str, Any] = {
            "index": index,
            "tree": tree.model_dump_json(exclude_defaults=True),
            "waves": [list(wave) for wave in report.waves.each],
            **{name: getattr(report, name) for name in _COUNTS},
        }
        return Rolled(collected.rows, facts)


class Journal:
    """The run's `metrics.jsonl`, `timing.jsonl` and traces, written step by step, as a context manager.

    Args:
        folder: Of the run.
        done: Steps of it that are done; lines of later ones are cut away. None for a run that has just begun.
    """

    def __init__(self, folder: Path, done: int | None = None) -> None:
        self._folder = folder
        self._recipe: Recipe = load_recipe(folder / RESOLVED)
        self._steps = _steps(self._recipe, folder)
        first = self._steps[0].step
        before = first + done if done is not None else first or None
        self._log = RunLog(folder, first + len(self._steps), before)

    def __enter__(self) -> Journal:
        self._log.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.__exit__(kind, error, trace)

    def record(
        self, step: int, facts: Sequence[Mapping[str, Any]], learned: Mapping[str, float], seconds: Mapping[str, float]
    ) -> None:
        """Write down a step that is done.

        Args:
            step: Of the engine's, from 0.
            facts: Those of `Rollouts.roll` for each of its conversations, in any order.
            learned: Metrics of the update, named as in `Learner.step`.
            seconds: `rollout` and `learn`, wall clock.
        """
        ordered = sorted(facts, key=lambda fact: fact["index"])
        trees = [EpisodeTree.model_validate_json(fact["tree"]) for fact in ordered]
        report = RunReport(waves=WaveStats([Wave(*wave) for fact in ordered for wave in fact["waves"]]))
        for name in _COUNTS:
            setattr(report, name, sum(fact[name] for fact in ordered))
        plan, settings = self._steps[step], self._recipe.credit
        credits = [assign(tree, settings=settings) for tree in trees]  # as it was where they were played
        metrics: dict[str, Any] = {"stage": f"stage {plan.stage_index + 1} ({plan.stage.sessions} sessions)"}
        metrics |= step_metrics(trees, credits, report, learned)
        metrics["sampled_tokens"] = sampled_tokens(trees, self._recipe.model.train)
        if plan.step_in_stage + 1 == plan.stage.steps:
            metrics["stage_end"] = "steps"
        learned = {**learned, "seconds": seconds["learn"]}
        timing = step_timing(0.0, seconds["rollout"], learned, report, seconds["rollout"] + seconds["learn"])
        self._log.log(plan.step + 1, metrics, timing)
        keep_trace(self._folder, self._recipe, plan.step, trees, report)


class _OneAtATime:
    """A policy whose model is called by one thread at a time."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self.family: Family = policy.family
        self._policy, self._lock = policy, threading.Lock()

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        with self._lock:
            return self._policy.sample(requests)

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        with self._lock:
            return self._policy.score(prompt_ids, ids)

    def count_tokens(self, text: str) -> int:
        return self._policy.count_tokens(text)

    def close(self) -> None:
        self._policy.close()
