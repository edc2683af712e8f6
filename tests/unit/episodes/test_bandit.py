"""Single decisions from stored memories: which turns, which questions, and that a group differs in nothing but luck."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairmem.config import RewardConfig, RolloutConfig, load_recipe
from fairmem.credit import assign
from fairmem.episodes import (
    EpisodeRunner,
    Quizzer,
    RunReport,
    TreePlan,
    collect,
    decision_plans,
    linked_questions,
    stored_memories,
    training_plan,
)
from fairmem.errors import ConfigError
from fairmem.metrics import exact_match
from fairmem.policy import Prompt, ScriptedPolicy
from fairmem.trace import EpisodeTree
from fairmem.types import CATEGORIES
from tests.unit.episodes.build import CONVERSATION, agents, question, told

BANDIT = RolloutConfig(unit="bandit", global_group=3, decisions=2, local_fraction=0.0)


def runner(script: ScriptedPolicy | None = None) -> EpisodeRunner:
    """The script of `build` plays all roles, unless another is given."""
    policy, roles = script or ScriptedPolicy(told), agents()
    parts = {"extractor": policy, "manager": policy, "answerer": policy}
    quizzer = Quizzer(policy, roles.answerer, exact_match)
    return EpisodeRunner(parts, roles, quizzer, RewardConfig(compression_lambda=0.0))  # type: ignore[arg-type]


def plan() -> TreePlan:
    return training_plan(CONVERSATION, BANDIT, CATEGORIES, 5)


def test_the_teacher_leaves_the_memory_before_every_turn() -> None:
    (snapshots,), (tree,) = stored_memories(runner(), [plan()], 0, RunReport())
    # Three sessions of four turns, one fact each; before the n-th turn n - 1 facts are known.
    assert [shot.context.turns[0].id for shot in snapshots] == [f"D{s}:{t}" for s in (1, 2, 3) for t in (1, 2, 3, 4)]
    assert [len(shot.given.memory) for shot in snapshots] == list(range(12))
    assert [shot.given.facts[0].text for shot in snapshots[:2]] == ["Ana owns a cup.", "Bo owns a fork."]
    (branch,) = tree.branches
    # 6 chunks are read, 12 turns are decided about, each call with a name of its own.
    assert len(branch.turns) == 18 == len({turn.id for turn in branch.turns}) and branch.bank_entries == 12


def test_a_question_is_linked_to_a_turn_that_completes_its_evidence() -> None:
    both = question("pair", 2, 3, evidence=("D1:1", "D2:3"), asked_from=2)
    late = question("late", 2, 3, evidence=("D2:3", "D3:1"), asked_from=3)
    past = question("past", 2, 3, asked_from=2, valid_until=1)
    talk = replace(CONVERSATION, questions=(*CONVERSATION.questions, both, late, past))
    assert [q.id for q in linked_questions(talk, "D2:3", CATEGORIES)] == ["vase", "pair"]
    # The pair rests on the first turn too, but is not complete there.
    assert [q.id for q in linked_questions(talk, "D1:1", CATEGORIES)] == ["cup"]
    assert [q.id for q in linked_questions(talk, "D3:1", CATEGORIES)] == ["boat", "late"]
    assert linked_questions(talk, "D2:3", ["temporal"]) == ()


def test_evidence_of_the_same_session_that_is_said_later_is_not_linked() -> None:
    talk = replace(CONVERSATION, questions=(question("two", 1, 1, evidence=("D1:1", "D1:2")),))
    assert linked_questions(talk, "D1:1", CATEGORIES) == ()
    assert [q.id for q in linked_questions(talk, "D1:2", CATEGORIES)] == ["two"]


def test_as_many_turns_are_drawn_as_asked_for_and_the_same_for_the_same_seed() -> None:
    (snapshots,), _ = stored_memories(runner(), [plan()], 0, RunReport())
    drawn = [decision_plans(CONVERSATION, snapshots, BANDIT, CATEGORIES, seed) for seed in (1, 1, 2)]
    names = [[p.conversation.id for p in plans] for plans in drawn]
    assert [len(plans) for plans in drawn] == [2, 2, 2] and names[0] == names[1] != names[2]
    everything = BANDIT.model_copy(update={"decisions": 99})
    assert len(decision_plans(CONVERSATION, snapshots, everything, CATEGORIES, 1)) == 12
    # A turn without a linked question teaches nothing.
    unasked = replace(CONVERSATION, questions=CONVERSATION.questions[:1])
    (only,) = decision_plans(unasked, snapshots, everything, CATEGORIES, 1)
    assert only.conversation.id == "c/D1:1"


def trees(script: ScriptedPolicy) -> list[EpisodeTree]:
    (snapshots,), _ = stored_memories(runner(), [plan()], 0, RunReport())
    plans = decision_plans(CONVERSATION, snapshots, BANDIT, CATEGORIES, 1)
    return runner(script).run(plans, step=3, policy_version=3)[0]


def test_members_of_a_group_read_one_prompt_and_are_asked_the_linked_questions_only() -> None:
    for tree in trees(ScriptedPolicy(told)):
        assert [branch.kind for branch in tree.branches] == ["global"] * 3
        assert len({branch.turns[0].prompt for branch in tree.branches}) == 1
        assert len({branch.start_bank for branch in tree.branches}) == 1
        assert len({branch.turns[0].seed for branch in tree.branches}) == 3
        for branch in tree.branches:
            (turn,), (item,) = branch.turns, branch.quiz
            assert (turn.role, turn.facts[0].split()[-1]) == ("manager", f"{item.question}.")
            # It was inserted, so the answer is right: exact match 1.
            assert (item.score, branch.rewards[0].parts["answer"], branch.rewards[0].questions) == (1.0, 1.0, 1)


def test_a_decision_that_forgets_the_fact_earns_less_than_one_that_keeps_it() -> None:
    def forgetful(prompt: Prompt, seed: int) -> str:
        if prompt[-1].content.startswith("<manage>") and seed % 2:
            return "a NOOP"
        return told(prompt, seed)

    for tree in trees(ScriptedPolicy(forgetful)):
        kept = [branch.turns[0].ops[0].op == "INSERT" for branch in tree.branches]
        assert [branch.rewards[0].parts["answer"] for branch in tree.branches] == [float(k) for k in kept]
        credit = assign(tree, "grpo")
        if len(set(kept)) == 2:
            assert [credit.turns[b.id, b.turns[0].id].advantage > 0 for b in tree.branches] == kept
            assert set(credit.groups.values()) == {f"{tree.conversation}/global/{tree.sessions}"}
        else:
            assert credit.diagnostics.global_groups.zero_variance == 1 and not credit.turns


def test_a_step_of_the_recipe_collects_a_tree_per_turn_and_keeps_the_teachers_for_the_trace() -> None:
    recipe = load_recipe("memory_r1_grpo", ["rollout.decisions=5", "rollout.global_group=2"])
    found = collect(runner(), recipe, [plan()], 0, teacher=runner())
    assert len(found.trees) == 5 == len(found.credits) and [tree.conversation for tree in found.context] == ["c"]
    # 5 groups of 2 beside the teacher's 18 calls, in waves of the teacher (1 + 12) and of the decisions (1).
    assert (found.report.waves.calls, found.report.waves.waves) == (28, 14)
    with pytest.raises(ConfigError, match="needs a teacher"):
        collect(runner(), recipe, [plan()], 0)
