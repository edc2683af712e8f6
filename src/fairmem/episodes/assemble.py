"""Builds from a recipe what runs episodes: the agents, the frozen answerer and the question sets.

Training and evaluation both start here, so they cannot differ in how a memory is built or asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fairmem.agents import Answerer, Extractor, Manager, SingleAgent, Writer
from fairmem.config import AgentsConfig, Recipe, RolloutConfig
from fairmem.episodes.group import EpisodeRunner
from fairmem.episodes.plans import Agents, BranchPlan, OpScope, TreePlan
from fairmem.episodes.quiz import Quizzer, choose_questions
from fairmem.episodes.rerollout import plan_branches
from fairmem.errors import ConfigError
from fairmem.memory import build_embedder, build_retriever
from fairmem.memory.terms import count_marks
from fairmem.metrics import F1_VARIANTS
from fairmem.policy import Family, Policy
from fairmem.rewards import LexicalFaithfulness, PolicyJudge
from fairmem.seeds import derive
from fairmem.trace import Role
from fairmem.types import Category, Conversation, Question


def build_agents(
    config: AgentsConfig,
    family: Family,
    answerer_family: Family,
    count_tokens: Callable[[str], int] = count_marks,
) -> Agents:
    """The roles for models that understand these prompt families; `count_tokens` measures a core text.

    Raises:
        ConfigError: an unknown retriever or embedder, or history or searches with compact prompts, which have no place
            for them.
    """
    if config.history and family == "compact":
        raise ConfigError("agents.history is on, but the model reads compact prompts, which show one chunk only")
    if config.search_rounds and family == "compact":
        raise ConfigError(
            "agents.search_rounds is above 0, but the model reads compact prompts, which show what is found"
        )
    retriever = build_retriever(config.retriever, build_embedder(config.embedder))
    single = None
    if config.roles == "single":
        single = SingleAgent(family, retriever, config.related_max, config.related_min_score, config.manager_max_tokens)
    writer = None
    if config.roles == "writer":
        writer = Writer(
            family,
            config.related_max,
            config.manager_max_tokens,
            config.core_max_tokens,
            config.search_rounds,
            config.writer_calls == "native",
            count_tokens,
            max_chars=400 if family == "compact" else 2_000,
        )
    return Agents(
        Extractor(family, config.extractor_max_tokens),
        Manager(
            family,
            retriever,
            config.related_per_fact,
            config.related_max,
            config.related_min_score,
            config.manager_max_tokens,
        ),
        Answerer(
            answerer_family,
            retriever,
            config.shown_per_speaker,
            max_tokens=config.answerer_max_tokens,
            per_store=config.shown_per_store,
            distill=config.distill,
        ),
        config.chunks_per_session,
        config.history,
        single,
        writer,
    )


def build_runner(recipe: Recipe, policies: Mapping[Role, Policy]) -> EpisodeRunner:
    """The runner of a recipe's episodes; `policies` gives the model of each role that is called, and the extractor's.

    Raises:
        ConfigError: as for `build_agents`, or an unknown F1 variant.
    """
    if recipe.reward.f1 not in F1_VARIANTS:
        raise ConfigError(f"reward.f1 is '{recipe.reward.f1}', expected one of {', '.join(sorted(F1_VARIANTS))}")
    keeper = policies["extractor"]
    agents = build_agents(recipe.agents, keeper.family, policies["answerer"].family, keeper.count_tokens)
    answering, reward = policies["answerer"], recipe.reward
    quizzer = Quizzer(answering, agents.answerer, F1_VARIANTS[reward.f1], by_source=reward.score == "source")
    judge = PolicyJudge(answering) if reward.judge == "answerer" else LexicalFaithfulness()
    return EpisodeRunner(policies, agents, quizzer, reward, judge)


def training_plan(
    conversation: Conversation, rollout: RolloutConfig, categories: Sequence[Category], seed: int
) -> TreePlan:
    """The global group of `conversation` and its local rerollouts, every group with its own fixed question set."""
    most_local = rollout.max_questions if rollout.max_local_questions is None else rollout.max_local_questions
    balanced = rollout.questions == "both"

    def questions(after: int, about: int | None) -> tuple[Question, ...]:
        choose = partial(choose_questions, conversation, after, categories, derive(seed, "questions"))
        if about is None:
            return choose(rollout.max_questions)
        if balanced:
            return (*choose(most_local, about=about), *choose(most_local, besides=about))
        return choose(most_local, about=about if rollout.questions == "session" else None)

    branches = tuple(plan_branches(conversation, rollout, seed))
    op_scope: OpScope | None = None
    if rollout.op_values:
        op_scope = "session" if rollout.questions == "session" else "cumulative"
    return TreePlan(
        conversation, branches, questions, seed, balanced, rollout.state_values, op_scope, rollout.op_horizon
    )


def evaluation_plan(
    conversation: Conversation, temperature: float, categories: Sequence[Category], seed: int, most_questions: int = 0
) -> TreePlan:
    """One rollout of the whole of `conversation`, asked all questions that hold at its end."""
    numbers = [session.index for session in conversation.sessions]
    branch = BranchPlan("g0", conversation, numbers[0], numbers[-1], 0, derive(seed, "evaluation"), temperature)

    def questions(after: int, about: int | None) -> tuple[Question, ...]:
        return choose_questions(conversation, after, categories, derive(seed, "questions"), most_questions)

    return TreePlan(conversation, (branch,), questions, seed)
