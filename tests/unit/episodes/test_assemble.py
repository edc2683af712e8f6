"""From a recipe to the parts that run episodes, and to the plans of a step."""

import pytest

from fairmem.config import AgentsConfig, Recipe, RewardConfig, RolloutConfig
from fairmem.episodes import build_agents, build_runner, training_plan
from fairmem.errors import ConfigError
from fairmem.policy import Policy, ScriptedPolicy
from fairmem.trace import Role
from fairmem.types import CATEGORIES
from tests.unit.episodes.build import CONVERSATION, EVERYWHERE


def test_agents_take_their_settings_from_the_recipe() -> None:
    config = AgentsConfig(
        chunks_per_session=3, related_per_fact=2, related_max=7, related_min_score=0.3, shown_per_speaker=4,
        extractor_max_tokens=11, manager_max_tokens=12, answerer_max_tokens=13,
    )  # fmt: skip
    agents = build_agents(config, "compact", "instruct")
    assert (agents.chunks_per_session, agents.history) == (3, False)
    assert (agents.extractor.family, agents.extractor.max_tokens) == ("compact", 11)
    manager, answerer = agents.manager, agents.answerer
    assert (manager.per_fact, manager.max_related, manager.min_score, manager.max_tokens) == (2, 7, 0.3, 12)
    assert (answerer.family, answerer.per_speaker, answerer.max_tokens) == ("instruct", 4, 13)
    # One retriever, so that texts are embedded once for both.
    assert manager.retriever is answerer.retriever


def test_unknown_parts_are_refused_by_name() -> None:
    policy: Policy = ScriptedPolicy()
    roles: dict[Role, Policy] = {"extractor": policy, "manager": policy, "answerer": policy}
    with pytest.raises(ConfigError, match="retriev"):
        build_agents(AgentsConfig(retriever="psychic"), "compact", "compact")
    with pytest.raises(ConfigError, match="embedder"):
        build_agents(AgentsConfig(embedder="psychic"), "compact", "compact")
    with pytest.raises(ConfigError, match=r"reward\.f1 is 'vibes', expected one of bag, exact, memory_r2_set"):
        build_runner(Recipe(reward=RewardConfig(f1="vibes")), roles)
    assert build_runner(Recipe(), roles).reward == Recipe().reward


def ids(rollout: RolloutConfig, after: int, about: int | None) -> list[str]:
    return [q.id for q in training_plan(CONVERSATION, rollout, CATEGORIES, 1).questions(after, about)]


def test_the_scope_of_local_questions_is_everything_so_far_or_the_session_alone() -> None:
    by_session = EVERYWHERE.model_copy(update={"questions": "session"})
    assert ids(EVERYWHERE, 2, 2) == ids(EVERYWHERE, 2, None) == ids(by_session, 2, None)
    assert len(ids(EVERYWHERE, 2, 2)) == 8
    assert ids(by_session, 2, 2) == ["kite", "drum", "vase", "bell"]
    assert ids(by_session, 3, 2) == ["kite", "drum", "vase", "bell"]


def test_plans_depend_on_the_seed_alone() -> None:
    one, same, other = (training_plan(CONVERSATION, EVERYWHERE, CATEGORIES, seed) for seed in (1, 1, 2))
    assert one.branches == same.branches and one.seed == 1
    assert not {b.seed for b in one.branches} & {b.seed for b in other.branches}


def test_both_scopes_ask_everything_so_far_and_own_questions_come_first() -> None:
    both = EVERYWHERE.model_copy(update={"questions": "both"})
    assert ids(both, 2, 2) == ["kite", "drum", "vase", "bell", "cup", "fork", "lamp", "rug"]
    assert ids(both, 2, None) == ids(EVERYWHERE, 2, None)
    assert training_plan(CONVERSATION, both, CATEGORIES, 1).balanced
    assert not training_plan(CONVERSATION, EVERYWHERE, CATEGORIES, 1).balanced


def test_local_groups_can_be_asked_fewer_questions_than_global_ones() -> None:
    few = EVERYWHERE.model_copy(update={"max_questions": 6, "max_local_questions": 2})
    assert [len(ids(few, 3, about)) for about in (None, 3)] == [6, 2]
    assert len(ids(few.model_copy(update={"questions": "both"}), 3, 3)) == 4  # two of either kind
    assert len(ids(few.model_copy(update={"max_local_questions": 0}), 3, 3)) == 12
    assert len(ids(few.model_copy(update={"max_local_questions": None}), 3, 3)) == 6
