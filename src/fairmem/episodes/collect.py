"""One training step's episodes with their credit: conversations in, rewarded trees and rows to learn from out.

Every engine learns from what is collected here, so groups and advantages of a trace are the same on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairmem.config import Recipe
from fairmem.credit import CREDIT_RULES, Credit, Critic, Hindsight, Need, assign
from fairmem.episodes.answering import answer_trees
from fairmem.episodes.assemble import training_plan
from fairmem.episodes.bandit import decision_plans, stored_memories
from fairmem.episodes.curriculum import Conversations
from fairmem.episodes.group import EpisodeRunner, RunReport
from fairmem.episodes.hindsight import hindsight_logprobs
from fairmem.episodes.plans import TreePlan
from fairmem.episodes.stages import StepPlan
from fairmem.errors import ConfigError
from fairmem.learner import Row, rows_of
from fairmem.seeds import derive
from fairmem.trace import EpisodeTree, write_trace

Judge = Callable[[Sequence[EpisodeTree]], Sequence[Critic]]
"""A critic: trees -> value of the state of every trained turn, see `fairmem.learner.Team.critic_values`."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Rewarded trees, the credit of each, and what they cost.

    `context` are trees without rewards that memories were made in for these to begin from, kept for the trace.
    """

    trees: Sequence[EpisodeTree]
    credits: Sequence[Credit]
    report: RunReport
    context: Sequence[EpisodeTree] = ()

    @property
    def rows(self) -> list[Row]:
        """The turns that have credit, in the order of the trees."""
        return [row for tree, credit in zip(self.trees, self.credits, strict=True) for row in rows_of(tree, credit)]


def tree_plans(recipe: Recipe, conversations: Conversations, plan: StepPlan) -> list[TreePlan]:
    """What the conversations of a training step roll out; every plan stands alone, seeds included.

    Args:
        recipe: With the overrides of the plan's stage (`Recipe.at`).
        conversations: Of the recipe.
        plan: The step.
    """
    talks = conversations.for_step(plan, recipe.data.conversations_per_step)
    return [
        training_plan(talk, recipe.rollout, recipe.eval.categories, derive(recipe.seed, "step", plan.step, index))
        for index, talk in enumerate(talks)
    ]


def collect(
    runner: EpisodeRunner,
    recipe: Recipe,
    plans: Sequence[TreePlan],
    step: int,
    judge: Judge | None = None,
    teacher: EpisodeRunner | None = None,
) -> Collected:
    """Roll out `plans` with the weights that `step` begins with, reward them, and assign credit.

    Args:
        runner: Of the recipe's episodes.
        recipe: With the overrides of the step's stage.
        plans: What to roll out.
        step: Number of the step, and of the weights.
        judge: The critic, for credit rules that have one.
        teacher: The same with the teacher in the trained roles, where the recipe needs one.

    Raises:
        FairmemError: see `EpisodeRunner.run` and `assign`.
    """
    trees, report, context = _rolled(runner, recipe, plans, step, teacher)
    needs = CREDIT_RULES[recipe.credit.rule].needs
    known: Sequence[Hindsight | None] = [None] * len(trees)
    values: Sequence[Critic | None] = [None] * len(trees)
    if Need.HINDSIGHT_LOGPROB in needs:
        known = hindsight_logprobs(trees, runner.policies)  # a second pass over what was sampled
    if Need.CRITIC in needs and judge is not None:
        values = judge(trees)
    credits = [
        assign(tree, settings=recipe.credit, hindsight=of, critic=critic)
        for tree, of, critic in zip(trees, known, values, strict=True)
    ]
    return Collected(trees, credits, report, context)


def _rolled(
    runner: EpisodeRunner, recipe: Recipe, plans: Sequence[TreePlan], step: int, teacher: EpisodeRunner | None
) -> tuple[list[EpisodeTree], RunReport, Sequence[EpisodeTree]]:
    """(rewarded trees, what they cost, trees of the memories they begin from) in the recipe's unit."""
    unit = recipe.rollout.unit
    if recipe.model.train == "answerer":
        return answer_trees(runner, plans, recipe.rollout, step)
    if unit == "conversation":
        return *runner.run(plans, step, step, recipe.reward), ()
    if teacher is None:
        raise ConfigError(f'rollout.unit is "{unit}", which needs a teacher; open one with `open_teacher`')
    if unit == "demonstration":
        return *teacher.run(plans, step, step, recipe.reward), ()
    before = RunReport()
    stored, context = stored_memories(teacher, plans, step, before)
    groups = [
        group
        for plan, snapshots in zip(plans, stored, strict=True)
        for group in decision_plans(plan.conversation, snapshots, recipe.rollout, recipe.eval.categories, plan.seed)
    ]
    trees, report = runner.run(groups, step, step, recipe.reward)
    report.waves.each[:0] = before.waves.each
    report.wave_seconds += before.wave_seconds
    return trees, report, context


def keep_trace(folder: Path, recipe: Recipe, step: int, trees: Sequence[EpisodeTree], report: RunReport) -> None:
    """Write the step's trees to the run's `trace` folder, in every `log.trace_every`-th step (counted from 0)."""
    every = recipe.log.trace_every
    if every and step % every == 0:
        path = folder / "trace" / f"step-{step + 1:06d}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        write_trace(path, trees, {"run": recipe.name, "seed": recipe.seed, "calls": report.waves.calls})
