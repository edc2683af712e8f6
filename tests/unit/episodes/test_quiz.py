"""Question sets: fixed per group, drawn from integers; answers: scored, or without a score, never 0 for a failure."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import get_args

import pytest

from fairmem.config import RolloutConfig
from fairmem.data.village import generate
from fairmem.episodes import QuizJob, Quizzer, choose_questions, training_plan
from fairmem.memory import Memory, MemoryBank
from fairmem.metrics import token_f1
from fairmem.policy import Prompt
from fairmem.types import CATEGORIES, Category, Conversation
from tests.unit.episodes.build import (
    CONVERSATION,
    EVERYWHERE,
    FAILURE,
    PLAIN,
    Place,
    PlannedPolicy,
    Said,
    agents,
    at,
    local_groups,
    play,
    question,
)

VILLAGE = generate(seed=3, split="train", conversations=1, sessions=6)[0]


def names(
    conversation: Conversation, session: int, *, most: int = 0, seed: int = 0, about: int | None = None
) -> list[str]:
    return [q.id for q in choose_questions(conversation, session, CATEGORIES, seed, most, about)]


def test_the_questions_that_hold_after_the_session_are_asked_in_their_order() -> None:
    assert names(CONVERSATION, 2) == ["cup", "fork", "lamp", "rug", "kite", "drum", "vase", "bell"]
    for session in range(1, 7):
        assert names(VILLAGE, session) == [q.id for q in VILLAGE.questions if q.holds_after(session)]
    stale = replace(CONVERSATION, questions=(question("cup", 1, 1, valid_until=1), question("kite", 2, 1)))
    assert (names(stale, 1), names(stale, 2)) == (["cup"], ["kite"])


def test_only_the_categories_that_count_are_asked() -> None:
    for category in get_args(Category):
        asked = choose_questions(VILLAGE, 6, [category], 0)
        assert asked == tuple(q for q in VILLAGE.questions_after(6) if q.category == category)


def test_a_session_scope_keeps_the_questions_with_evidence_there() -> None:
    assert names(CONVERSATION, 3, about=2) == ["kite", "drum", "vase", "bell"]
    both = replace(CONVERSATION, questions=(question("cup", 1, 1, evidence=("D1:1", "D2:1"), asked_from=2),))
    assert names(both, 3, about=1) == names(both, 3, about=2) == ["cup"]
    assert names(both, 3, about=3) == []


def test_a_limit_draws_a_subset_that_depends_on_seed_and_session_only() -> None:
    everything = names(VILLAGE, 6)
    drawn = names(VILLAGE, 6, most=4)
    assert len(drawn) == 4 and drawn == [name for name in everything if name in drawn]
    assert drawn == names(VILLAGE, 6, most=4)
    assert len({tuple(names(VILLAGE, 6, most=4, seed=seed)) for seed in range(10)}) > 5
    # As many as there are, or more, is all of them.
    assert names(VILLAGE, 6, most=len(everything)) == names(VILLAGE, 6, most=999) == everything


def test_equal_seeds_draw_equal_questions_in_every_process() -> None:
    code = (
        "from fairmem.data.village import generate; from fairmem.episodes import choose_questions\n"
        "from fairmem.types import CATEGORIES\n"
        "c = generate(3, 'train', 1, 6)[0]\n"
        "print([q.id for q in choose_questions(c, 6, CATEGORIES, 12345, 5)])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str(names(VILLAGE, 6, most=5, seed=12345))


@pytest.mark.parametrize("limit", [0, 3])
@pytest.mark.parametrize("scope", ["cumulative", "session"])
def test_all_members_of_a_group_are_asked_the_same(limit: int, scope: str) -> None:
    rollout = RolloutConfig.model_validate(
        {**EVERYWHERE.model_dump(), "max_questions": limit, "questions": scope, "global_group": 3, "local_group": 3}
    )
    played = play(rollout=rollout)
    groups = [played.tree.global_branches, *played.tree.local_groups().values()]
    for members in groups:
        asked = {tuple(item.question for item in branch.quiz) for branch in members}
        assert len(members) == 3 and len(asked) == 1
        (one,) = asked
        session = members[0].fork_session
        available = 12 if session is None else 4 if scope == "session" else 4 * session
        assert len(one) == (min(limit, available) or available)


def test_a_rerollout_with_a_horizon_is_asked_after_its_last_session() -> None:
    played = play(rollout=EVERYWHERE.model_copy(update={"local_horizon": 1}))
    for (_, first), members in local_groups(played.plan).items():
        for member in members:
            quiz = played.branches[member.id].quiz
            assert {item.after_session for item in quiz} == {min(first + 1, 3)}
            assert len(quiz) == 4 * min(first + 1, 3)


def test_the_set_of_the_next_step_is_another_one() -> None:
    few = PLAIN.model_copy(update={"max_questions": 4})
    sets = {
        tuple(q.id for q in training_plan(CONVERSATION, few, CATEGORIES, seed).questions(3, None)) for seed in range(12)
    }
    assert len(sets) > 5


def ask(policy: PlannedPolicy, *jobs: QuizJob, temperature: float = 0.0) -> list[tuple[float | None, ...]]:
    quizzer = Quizzer(policy, agents().answerer, token_f1, temperature)
    return [tuple(item.score for item in items) for items in quizzer.ask(jobs, seed=1)]


def job(bank: Memory, *nouns: str) -> QuizJob:
    return QuizJob(CONVERSATION, bank, 3, tuple(q for q in CONVERSATION.questions if q.id in nouns))


def test_answers_are_scored_against_gold_from_the_memory_of_their_job() -> None:
    full, empty = play().report.banks[0, "g0"], MemoryBank.empty()
    assert ask(PlannedPolicy([]), job(full, "cup", "tent"), job(empty, "cup"), job(full)) == [(1.0, 1.0), (0.0,), ()]


def test_equal_greedy_questions_of_equal_memories_are_asked_once() -> None:
    full, policy = play().report.banks[0, "g0"], PlannedPolicy([])
    assert ask(policy, job(full, "cup"), job(full, "cup", "fork"), job(MemoryBank.empty(), "cup")) == [
        (1.0,),
        (1.0, 1.0),
        (0.0,),
    ]
    assert [len(batch) for batch in policy.batches] == [3]


def test_a_sampled_answer_depends_on_its_names_not_on_what_else_is_asked() -> None:
    full, alone, together = play().report.banks[0, "g0"], PlannedPolicy([]), PlannedPolicy([])
    ask(alone, job(full, "fork"), temperature=1.0)
    ask(together, job(full, "cup", "fork"), job(full, "tent"), temperature=1.0)
    assert together.batches[0][1] == alone.batches[0][0]
    assert len({r.seed for r in together.batches[0]}) == 3


def test_a_failed_call_has_a_cause_and_no_score() -> None:
    def behave(place: Place, prompt: Prompt) -> Said:
        return FAILURE if "of the cup?" in prompt[-1].content else None

    played = play(behave)
    items = {item.question: item for item in played.branches["g0"].quiz}
    assert (items["cup"].answer, items["cup"].score, items["cup"].failure) == (None, None, FAILURE)
    assert items["cup"].shown and items["fork"].score == 1.0 and items["fork"].failure is None
    # Session 1 is the mean of the other three: left out, not 0.
    assert played.answers("g0") == {1: 1.0, 2: 1.0, 3: 1.0}
    assert [reward.questions for reward in played.branches["g0"].rewards] == [3, 4, 4]
    # The quiz is no part of the branch's own work.
    assert not played.branches["g0"].failed


def test_if_all_calls_of_a_session_fail_it_is_unscored() -> None:
    played = play(at({("", "answerer"): FAILURE}))
    assert played.answers("g0") == {1: None, 2: None, 3: None}


def test_an_unreadable_answer_is_an_empty_one_and_scores_zero() -> None:
    played = play(at({("", "answerer"): "\n \n"}))
    assert {(item.answer, item.score, item.failure) for item in played.branches["g1"].quiz} == {("", 0.0, None)}


def test_items_name_the_sessions_of_their_evidence_else_the_one_they_were_asked_after() -> None:
    asked = replace(
        CONVERSATION,
        questions=(
            question("cup", 1, 1, evidence=("D2:1", "D1:1", "D2:3"), asked_from=2),
            question("fork", 1, 2, evidence=()),
            question("rug", 1, 4, evidence=("D9:9",)),
        ),
    )
    played = play(conversation=asked, rollout=EVERYWHERE)
    assert [item.sessions for item in played.branches["g0"].quiz] == [(1, 2), (3,), (3,)]
    (again,) = [members[0].id for (_, session), members in local_groups(played.plan).items() if session == 2]
    assert [item.sessions for item in played.branches[again].quiz] == [(1, 2), (2,), (2,)]


def test_the_questions_besides_a_session_and_those_about_it_are_all_there_are() -> None:
    def besides(session: int) -> list[str]:
        return [q.id for q in choose_questions(CONVERSATION, 2, CATEGORIES, 0, besides=session)]

    assert besides(2) == ["cup", "fork", "lamp", "rug"] and besides(1) == names(CONVERSATION, 2, about=2)
    assert besides(3) == names(CONVERSATION, 2)
