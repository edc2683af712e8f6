"""What a training run does between two checkpoints, of either kind: its steps, its scores, its report.

`MemoryPractice` rolls out conversations, by which a model learns to keep memory; the other one is in
`drift/small/practice.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fairmem.config import Recipe
from fairmem.episodes import (
    Conversations,
    EpisodeRunner,
    StepPlan,
    collect,
    keep_trace,
    sampled_tokens,
    step_metrics,
    step_timing,
    tree_plans,
)
from fairmem.eval import EvalResult, evaluate, make_header, report_run, validation_scores
from fairmem.learner import Backbones, Serving, fresh_rows
from fairmem.policy import Policy
from fairmem.runlog import RunLog
from fairmem.types import Conversation


class Practice(Protocol):
    """What a run does between two checkpoints: rolls out and learns, and is scored."""

    def begin(self, step: int) -> None:
        """The weights are those after `step` steps, and other ones than before: at the start, and after a change."""
        ...

    def step(self, plan: StepPlan, log: RunLog) -> tuple[dict[str, Any], dict[str, Any]]:
        """One training step; returns its metrics (with `sampled_tokens`) and its timing."""
        ...

    def validate(self, log: RunLog) -> dict[str, float | None]:
        """Scores of the validation data; empty without any."""
        ...

    def evaluate(self, when: str, log: RunLog) -> None:
        """Score the test data `before` or `after` training unless that is done already."""
        ...

    def report(self) -> str:
        """Write the report of the run, and return it as text."""
        ...

    def close(self) -> None:
        """Let go of what is held beside the models that are trained."""
        ...


@dataclass(slots=True)
class MemoryPractice:
    """Episodes of conversations, by which a model learns to keep memory."""

    recipe: Recipe
    folder: Path
    backbones: Backbones
    answerer: Policy
    runner: EpisodeRunner
    teacher: EpisodeRunner | None
    conversations: Conversations
    serving: Serving | None = None
    """Servers that sample in place of the trained model."""
    version: int = 0
    """Of the weights that the trained model has: how many steps they have seen."""

    def begin(self, step: int) -> None:
        """Servers have to be given these weights."""
        self.version = step
        if self.serving is not None:
            self.serving.changed()

    def step(self, plan: StepPlan, log: RunLog) -> tuple[dict[str, Any], dict[str, Any]]:
        """Roll out, credit, learn."""
        recipe = self.recipe.at(plan.stage)
        synced = self._sync(log)
        started = time.perf_counter()
        log.status("rolling out")
        plans = tree_plans(recipe, self.conversations, plan)
        collected = collect(self.runner, recipe, plans, plan.step, self.backbones.team.critic_values, self.teacher)
        rolled = time.perf_counter()
        log.status("learning")
        rows, stale = collected.rows, 0
        if self.serving is not None:
            rows, stale = fresh_rows(rows, self.version, recipe.sampler.max_staleness)
        learned = self.backbones.team.step(rows)
        self.begin(plan.step + 1)
        metrics: dict[str, Any] = {"stage": f"stage {plan.stage_index + 1} ({plan.stage.sessions} sessions)"}
        metrics |= step_metrics(collected.trees, collected.credits, collected.report, learned)
        everything = [*collected.context, *collected.trees]
        counted = recipe.model.train if plan.stage.counts == "trained" else "all"
        metrics["sampled_tokens"] = sampled_tokens(everything, counted)
        metrics |= {"stale_rows": stale} if self.serving is not None else {}
        keep_trace(self.folder, self.recipe, plan.step, everything, collected.report)
        return metrics, synced | step_timing(started, rolled, learned, collected.report, time.perf_counter())

    def validate(self, log: RunLog) -> dict[str, float | None]:
        """Of the validation conversations."""
        talks = self.conversations.validation
        return validation_scores(self._run_eval(talks, log)) if talks else {}

    def evaluate(self, when: str, log: RunLog) -> None:
        """On the test conversations, else the validation ones."""
        path = self.folder / f"eval_{when}.jsonl"
        talks = self.conversations.test or self.conversations.validation
        if path.exists() or not talks:
            return
        log.say(f"evaluating {when} training on {len(talks)} conversations")
        self._run_eval(talks, log).save(path)

    def report(self) -> str:
        """See `fairmem.eval.report_run`."""
        return report_run(self.folder)

    def close(self) -> None:
        """Models and connections, but for those of `backbones`."""
        self.answerer.close()
        for policy in self.teacher.policies.values() if self.teacher else ():  # closing twice is safe
            policy.close()
        if self.serving is not None:
            self.serving.close()

    def _run_eval(self, talks: Sequence[Conversation], log: RunLog) -> EvalResult:
        recipe = self.recipe
        self._sync(log, now=True)
        header = make_header(recipe, self.runner, recipe.data.source, self.backbones.name, self.answerer.name)
        return evaluate(self.runner, talks, header, progress=lambda text: log.status(f"evaluating: {text}"))

    def _sync(self, log: RunLog, now: bool = False) -> dict[str, float]:
        """Give servers that sample the weights of the model that learns, if there are any and it is time (or `now`)."""
        if self.serving is None:
            return {}
        log.status("sending weights")
        return self.serving.bring(self.version, now, log.say)
