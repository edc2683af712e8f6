"""The value of every memory on the way: `build`'s script remembers all, a test says what a rollout forgets."""

from fairmem.config import RewardConfig, RolloutConfig
from fairmem.episodes import BranchPlan, MemoryBoard, answered_by_all, memories
from fairmem.memory import MemoryBank
from fairmem.policy import Prompt
from fairmem.trace import QuizItem, SessionReward
from tests.unit.episodes.build import CONVERSATION, EVERYWHERE, FAILURE, PLAIN, Place, Played, Said, at, play

VALUED = PLAIN.model_copy(update={"state_values": True})
FORGETFUL = at({("g0", "manager", 2, 0): "a NOOP\nb INSERT", ("g1", "manager", 1): "a NOOP\nb NOOP"})
"""g0 forgets one thing of session 2, g1 all of session 1; 12 questions in all, 4 per session."""


def answers(played: Played, branch: str) -> dict[int, float | None]:
    return {value.session: value.parts["answer"] for value in played.branches[branch].values}


def test_every_memory_is_asked_the_questions_of_the_end() -> None:
    played = play(FORGETFUL, VALUED)
    # Session 1 is over: 4 of 12 can be answered; then 3 more; then 4 more. Nothing is in the empty memory.
    assert answers(played, "g0") == {0: 0.0, 1: 4 / 12, 2: 7 / 12, 3: 11 / 12}
    assert answers(played, "g1") == {0: 0.0, 1: 0.0, 2: 4 / 12, 3: 8 / 12}
    assert {value.questions for branch in played.tree.branches for value in branch.values} == {12}


def test_nothing_but_quizzes_is_added() -> None:
    plain, valued = play(FORGETFUL), play(FORGETFUL, VALUED)
    assert valued.report.waves.calls == plain.report.waves.calls
    # Two rollouts with three memories more each, of 12 questions.
    assert (plain.report.quiz_items, valued.report.quiz_items) == (24, 24 + 2 * 3 * 12)
    for name in ("g0", "g1"):
        assert valued.branches[name].model_copy(update={"values": ()}) == plain.branches[name].model_copy(
            update={"values": ()}
        )


def test_without_the_option_the_final_memory_alone_is_valued_and_costs_nothing() -> None:
    played = play(FORGETFUL)
    assert answers(played, "g0") == {3: 11 / 12} and played.report.quiz_items == 24


def test_a_limit_draws_one_set_for_all_memories() -> None:
    few = play(FORGETFUL, VALUED.model_copy(update={"max_questions": 3}))
    assert {value.questions for branch in few.tree.branches for value in branch.values} == {3}
    assert few.report.quiz_items == 2 * 4 * 3


def test_a_memory_is_charged_as_if_it_were_the_final_one() -> None:
    played = play(FORGETFUL, VALUED, reward=RewardConfig(compression_tau=0.0, compression_lambda=1.0))
    dialogue = played.runner.dialogue_tokens(CONVERSATION, 3)
    penalties = [value.parts["compression_penalty"] for value in played.branches["g0"].values]
    # In bytes, after session 1: "Ana owns a ." or "Bo owns a ." and a noun, two each: 2 * 12 + 2 * 11 + 14 = 60.
    assert penalties[:2] == [0.0, 60 / dialogue]
    assert penalties[-1] == played.branches["g0"].bank_tokens / dialogue
    assert penalties[-1] == played.branches["g0"].rewards[0].parts["compression_penalty"]


def test_rerollouts_are_not_valued() -> None:
    played = play(rollout=EVERYWHERE.model_copy(update={"state_values": True}))
    assert {branch.values for branch in played.tree.branches if branch.kind == "local"} == {()}
    assert len(played.branches["g1"].values) == 4


def test_a_failed_rollout_has_no_values() -> None:
    played = play(at({("g0", "manager", 2, 0): FAILURE}), VALUED)
    assert played.branches["g0"].values == () and len(played.branches["g1"].values) == 4


def test_a_question_that_failed_for_one_memory_is_left_out_for_all() -> None:
    def behave(place: Place, prompt: Prompt) -> Said:
        # The cup is asked about where session 1 alone is known: the answerer sees 4 entries.
        text = prompt[-1].content
        return FAILURE if place.role == "answerer" and "of the cup?" in text and "kite" not in text else None

    values = play(behave, VALUED).branches["g0"].values
    assert [value.questions for value in values] == [11] * 4
    assert [value.parts["answer"] for value in values] == [0.0, 3 / 11, 7 / 11, 1.0]


def test_only_questions_with_a_score_everywhere_are_answered_by_all() -> None:
    def item(question: str, score: float | None) -> QuizItem:
        return QuizItem(question=question, category="single_hop", after_session=1, gold="", score=score)

    assert answered_by_all([[item("a", 1.0), item("b", 0.0)], [item("a", None), item("b", 1.0)]]) == {"b"}
    assert answered_by_all([]) == frozenset()


def test_memories_are_those_at_the_starts_of_the_sessions() -> None:
    plan, board = BranchPlan("g0", CONVERSATION, 1, 3, 0, 0, 1.0), MemoryBoard()
    board.publish("7/g0", 1, MemoryBank.empty())
    board.publish("7/g0", 2, FAILURE)
    assert memories(plan, board, "7/") == {0: MemoryBank.empty()}


def test_values_of_a_trace_come_back() -> None:
    branch = play(FORGETFUL, VALUED).branches["g0"]
    assert type(branch).model_validate_json(branch.model_dump_json()) == branch
    assert isinstance(branch.values[0], SessionReward) and RolloutConfig().state_values is False
