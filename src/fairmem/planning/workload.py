"""What one training step asks of the models: calls, tokens, waves and rows, by playing it with a stand-in.

Siblings are alike on average, so one global rollout and one rerollout of each session stand for all of theirs; what is
counted is multiplied. Which sessions are rolled out again, and which questions are asked, are those of the stage's
first step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fairmem.config import Recipe, StageConfig
from fairmem.credit import check_rule
from fairmem.data import DATASETS
from fairmem.episodes import Conversations, EpisodeRunner, StepPlan, TreePlan, build_agents, tree_plans
from fairmem.episodes.assemble import training_plan
from fairmem.episodes.quiz import Quizzer
from fairmem.errors import ConfigError, DataError
from fairmem.planning.assumptions import Assumptions
from fairmem.planning.averages import AVERAGES, average_conversation
from fairmem.planning.counting import answered, rows_of, waves_of, written
from fairmem.planning.playing import Spread, StandIn, token_counter
from fairmem.planning.work import StepWork, Workload
from fairmem.policy import Family, Policy, folder_of
from fairmem.policy.model_folder import read_family
from fairmem.seeds import derive
from fairmem.trace import Branch, EpisodeTree, Role, RoleTurn
from fairmem.types import Conversation

_PLAYED = 4
"""Conversations of a step that are played; of more, these stand for all."""


def workload(recipe: Recipe, assumptions: Assumptions) -> Workload:
    """What a step of each stage of `recipe` asks for.

    Raises:
        ConfigError: the recipe is wrong, or its data is not there and no averages of it are known.
        DataError: its data cannot be read.
    """
    check_rule(recipe)
    folder = folder_of(recipe.model.path)
    count, counted = token_counter(folder, assumptions)
    talks, data = _conversations(recipe)
    steps = [
        _step(recipe, number, stage, talks, count, assumptions)
        for number, stage in enumerate(recipe.stages, 1)
        if stage.steps
    ]
    return Workload(tuple(steps), data, counted)


Talks = Callable[[Recipe, StepPlan], list[TreePlan]]


def _conversations(recipe: Recipe) -> tuple[Talks, str]:
    """(plans of a step, what they are made from)."""
    data = recipe.data
    paths = [part.path for part in data.mix] or [data.path]
    absent = [path for path in paths if path and not Path(path).exists()]
    if not absent:
        conversations = Conversations(recipe)
        return (lambda at, plan: tree_plans(at, conversations, plan)), data.path or f"{data.source}, as it is generated"
    if data.mix or data.source not in AVERAGES:
        known = ", ".join(AVERAGES)
        raise ConfigError(
            f"data.path: {absent[0]} is not there, and only of {known} are averages known to plan with; "
            "give data.path=FILE, or plan with data.source=village"
        )
    if data.source not in DATASETS:
        raise DataError(f"data.source is '{data.source}', expected one of {', '.join(DATASETS)}")
    average = AVERAGES[data.source]

    def averaged(at: Recipe, plan: StepPlan) -> list[TreePlan]:
        talks = [
            average_conversation(average, plan.stage.sessions, f"average-{index}")
            for index in range(at.data.conversations_per_step)
        ]
        seeds = [derive(at.seed, "step", plan.step, index) for index in range(len(talks))]
        return [
            training_plan(talk, at.rollout, at.eval.categories, seed) for talk, seed in zip(talks, seeds, strict=True)
        ]

    return averaged, f"averages of {average.source} ({absent[0]} is not there)"


def _step(
    recipe: Recipe,
    number: int,
    stage: StageConfig,
    talks: Talks,
    count: Callable[[str], float],
    assumptions: Assumptions,
) -> StepWork:
    at = recipe.at(stage)
    done = sum(earlier.steps for earlier in recipe.stages[: number - 1])
    plans = talks(at, StepPlan(done, number - 1, stage, 0))
    played = plans[:_PLAYED]
    scale = len(plans) / len(played)
    writer, answerer = _stand_ins(at, count, _told(assumptions, [plan.conversation for plan in played]))
    trees = _play(at, played, writer, answerer)
    copies = [_copies(plan) for plan in played]
    weights: dict[int, tuple[float, Branch, RoleTurn]] = {
        turn.seed: (scale * of[branch.id], branch, turn)
        for tree, of in zip(trees, copies, strict=True)
        for branch in tree.branches
        for turn in branch.turns
    }
    roles = [*written(writer.calls, weights), *answered(answerer.calls, trees, played, copies, scale, at)]
    return StepWork(
        stage=number,
        steps=stage.steps,
        sessions=max(len(plan.conversation.sessions) for plan in plans),
        conversations=len(plans),
        branches=round(scale * sum(not b.reused for plan in played for b in plan.branches)),
        local_groups=round(
            scale * sum(len({(b.parent, b.first) for b in plan.branches if b.parent}) for plan in played)
        ),
        roles=tuple(roles),
        waves=waves_of(writer.calls, weights),
        rows=rows_of(at, trees, played, scale),
        entries=sum(tree.branches[0].bank_entries for tree in trees) / len(trees),
    )


def _told(assumptions: Assumptions, talks: Sequence[Conversation]) -> Assumptions:
    """With as many facts, as long as, the conversations themselves say they hold; as they are where none does.

    A generator knows what is worth remembering. What was set by hand stays.
    """
    facts = [delta.content for talk in talks for delta in talk.deltas]
    turns = sum(len(session.turns) for talk in talks for session in talk.sessions)
    if not facts or not turns:
        return assumptions
    known = {"facts.per_turn": len(facts) / turns, "facts.chars": sum(map(len, facts)) / len(facts)}
    return assumptions.with_values({name: v for name, v in known.items() if name not in assumptions.changed})


def _stand_ins(recipe: Recipe, count: Callable[[str], float], assumptions: Assumptions) -> tuple[StandIn, StandIn]:
    families: list[Family] = [_family(path) for path in (recipe.model.path, recipe.answerer.path)]
    writer, answerer = (StandIn(family, assumptions, count) for family in families)
    return writer, answerer


def _family(path: str) -> Family:
    folder = folder_of(path)
    return read_family(folder) if folder is not None and folder.is_dir() else "instruct"


def _play(recipe: Recipe, plans: Sequence[TreePlan], writer: StandIn, answerer: StandIn) -> list[EpisodeTree]:
    """The trees of one global branch and one rerollout per session each."""
    config = recipe.agents.model_copy(update={"retriever": "bm25", "embedder": "hashed"})
    agents = build_agents(config, writer.family, answerer.family, writer.count_tokens)
    # How memory is searched decides which entries are shown, hardly how many.
    agents = replace(
        agents,
        manager=replace(agents.manager, retriever=Spread()),
        answerer=replace(agents.answerer, retriever=Spread()),
        single=agents.single and replace(agents.single, retriever=Spread()),
    )
    # Above 0, so that every question is asked: of equal greedy ones only one is.
    quizzer = Quizzer(answerer, agents.answerer, lambda answer, gold: float(answer == gold), temperature=1.0)
    roles: tuple[Role, ...] = ("extractor", "manager", "single", "writer")
    policies: dict[Role, Policy] = {**dict.fromkeys(roles, writer), "answerer": answerer}
    reward = recipe.reward.model_copy(update={"gamma": 0.0})  # judged apart, see `counting.answered`
    trees, _ = EpisodeRunner(policies, agents, quizzer, reward).run([_thinned(plan) for plan in plans], 0, 0)
    return trees


def _thinned(plan: TreePlan) -> TreePlan:
    """One global branch, and one rerollout of each (first, last) session from it."""
    whole = next(branch for branch in plan.branches if branch.parent is None)
    local = {
        (b.first, b.last): replace(b, parent=whole.id, reused=False)
        for b in reversed(plan.branches)
        if b.parent is not None and not b.reused
    }
    return replace(plan, branches=(whole, *local.values()))


def _copies(plan: TreePlan) -> Counter[str]:
    """Branch of the thinned plan -> how many sampled ones of `plan` it stands for."""
    thinned = _thinned(plan).branches
    whole, local = thinned[0].id, {(b.first, b.last): b.id for b in thinned[1:]}
    return Counter(whole if b.parent is None else local[b.first, b.last] for b in plan.branches if not b.reused)
