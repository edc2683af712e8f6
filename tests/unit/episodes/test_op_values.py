"""What each operation was worth. Undisturbed every insert answers one of 12 questions; see `build`."""

from __future__ import annotations

from typing import Literal

import pytest

from fairmem.config import CreditConfig, RewardConfig
from fairmem.credit import assign, combined
from fairmem.episodes import EpisodeRunner, Quizzer
from fairmem.errors import ConfigError
from fairmem.metrics import token_f1
from fairmem.policy import Prompt
from fairmem.trace import OpGain
from tests.unit.episodes.build import EVERYWHERE, FAILURE, PLAIN, Place, Played, Said, agents, at, play

ALL = PLAIN.model_copy(update={"op_values": True})
OWN = ALL.model_copy(update={"questions": "session"})
SPLIT = at({("g0", "manager", 2, 0): "a NOOP\nb INSERT", ("g1", "manager", 2, 0): "a INSERT\nb NOOP"})
"""Of the first two things of session 2, g0 keeps the second and g1 the first."""


def gains(played: Played, branch: str) -> dict[tuple[str, int], float]:
    return {(gain.turn, gain.op): combined(gain.parts) for gain in played.branches[branch].gains}


@pytest.mark.parametrize("scope", [ALL, OWN])
def test_an_insert_is_worth_the_question_it_answers(scope: object) -> None:
    found = gains(play(SPLIT, scope), "g0")  # type: ignore[arg-type]
    # 12 things in 6 chunks, of which one was not kept.
    assert len(found) == 11 and ("manager-2.0", 0) not in found
    assert list(found.values()) == pytest.approx([1 / 12] * 11)


def test_an_update_that_writes_over_something_else_is_charged_for_it() -> None:
    over = at({("g0", "manager", 2, 0): "a UPDATE Ana owns a cup. -> Ana owns a kite.\nb INSERT"})
    for scope in (ALL, OWN):
        played = play(over, scope)
        # The kite is known and the cup forgotten: nothing gained. The insert beside it answers one question.
        found = gains(played, "g0")
        assert found["manager-2.0", 0] == 0.0 and found["manager-2.0", 1] == pytest.approx(1 / 12)
        asked = {(gain.turn, gain.op): gain.questions for gain in played.branches["g0"].gains}
        # Of its own session 4 questions; an update also of the session its entry is from.
        assert asked["manager-2.0", 0] == (12 if scope is ALL else 8)
        assert asked["manager-2.0", 1] == (12 if scope is ALL else 4)


def test_a_delete_costs_what_it_takes_away() -> None:
    found = gains(play(at({("g0", "manager", 2, 0): "a DELETE Ana owns a cup.\nb INSERT"}), ALL), "g0")
    assert found["manager-2.0", 0] == pytest.approx(-1 / 12)


def test_an_operation_pays_for_the_room_it_takes() -> None:
    charged = RewardConfig(compression_tau=0.0, compression_lambda=1.0)
    played = play(SPLIT, ALL, reward=charged)
    (first,) = [gain for gain in played.branches["g0"].gains if (gain.turn, gain.op) == ("manager-1.0", 0)]
    dialogue = played.runner.dialogue_tokens(played.plan.conversation, 3)
    assert first.parts["compression_penalty"] == pytest.approx(len("Ana owns a cup.") / dialogue)
    assert combined(first.parts) == pytest.approx(1 / 12 - len("Ana owns a cup.") / dialogue)


def test_nothing_but_quizzes_is_added_and_equal_prompts_are_asked_once() -> None:
    plain, valued = play(SPLIT), play(SPLIT, ALL)
    assert valued.report.waves.calls == plain.report.waves.calls
    # Two rollouts, 11 operations each, all 12 questions with and without.
    assert (plain.report.op_items, valued.report.op_items) == (0, 2 * 11 * 2 * 12)
    assert valued.report.quiz_items == plain.report.quiz_items + valued.report.op_items
    assert len(valued.policy.batches) == len(plain.policy.batches)  # they ride in the quiz that there was
    quiz = [request.prompt for request in valued.policy.batches[-1]]
    # The final memories are asked for themselves already; without an operation each is another memory.
    assert len(quiz) == len(set(quiz)) <= valued.report.op_items / 2 + len(plain.policy.batches[-1])


def test_an_operation_that_no_shown_entry_depends_on_costs_no_call() -> None:
    # One entry per speaker is shown; the question about the cup is answered from it with all others or without.
    played = play(SPLIT, ALL, shown_per_speaker=1)
    everything = play(SPLIT, ALL)
    assert len(played.policy.batches[-1]) < len(everything.policy.batches[-1]) / 2


def test_rerollouts_and_failed_rollouts_are_not_valued() -> None:
    played = play(at({("g1", "manager", 2, 0): FAILURE}), EVERYWHERE.model_copy(update={"op_values": True}))
    assert [branch.id for branch in played.tree.branches if branch.gains] == ["g0"]
    assert [line for b in played.tree.branches if b.parent for t in b.turns for line in t.lines] == []


def test_what_changed_nothing_has_no_gain_and_what_is_done_twice_has_none_worth() -> None:
    twice = at({("g0", "manager", 1, 0): "a INSERT\na INSERT\nb UPDATE nothing"})
    found = gains(play(twice, ALL), "g0")
    assert ("manager-1.0", 0) in found and ("manager-1.0", 1) not in found


def test_at_the_end_an_operation_answers_for_what_later_sessions_made_of_it() -> None:
    # g0 takes back in session 3 what it noted of the kite in session 2.
    behave = at({("g0", "manager", 3, 0): "a DELETE Ana owns a kite.\nb INSERT"})
    at_once = ALL.model_copy(update={"op_horizon": "session"})
    end, now = gains(play(behave, ALL), "g0"), gains(play(behave, at_once), "g0")
    assert end["manager-2.0", 0] == 0.0 and now["manager-2.0", 0] == pytest.approx(1 / 12)
    # The boat was given up for the delete; taking the kite away costs a question either way.
    assert end["manager-3.0", 0] == now["manager-3.0", 0] == pytest.approx(-1 / 12)


def test_of_two_sessions_that_say_the_same_neither_is_missed_at_the_end() -> None:
    again = at({("g0", "extractor", 3, 0): "1 Ana has a kite.\n2 Bo owns a coat."})
    scored = ALL.model_copy(update={"op_horizon": "session"})
    end, now = gains(play(again, ALL), "g0"), gains(play(again, scored), "g0")
    assert (end["manager-2.0", 0], end["manager-3.0", 0]) == (0.0, 0.0)
    assert (now["manager-2.0", 0], now["manager-3.0", 0]) == (pytest.approx(1 / 12), 0.0)


def test_at_the_end_a_memory_that_grew_past_its_free_share_is_paid_for_by_everything_in_it() -> None:
    plan = play(SPLIT, ALL).plan
    whole = play(SPLIT, ALL).branches["g0"].bank_tokens
    dialogue = play().runner.dialogue_tokens(plan.conversation, 3)
    # The memory of session 1 alone is within the free share, the final one is not.
    charged = RewardConfig(compression_tau=(whole - 20) / dialogue, compression_lambda=1.0)
    at_once = ALL.model_copy(update={"op_horizon": "session"})
    for scope, expected in ((ALL, len("Ana owns a cup.") / dialogue), (at_once, 0.0)):
        gains_ = {(g.turn, g.op): g for g in play(SPLIT, scope, reward=charged).branches["g0"].gains}
        assert gains_["manager-1.0", 0].parts["compression_penalty"] == pytest.approx(expected)


def test_a_question_that_failed_for_one_of_the_two_memories_counts_for_neither() -> None:
    def behave(place: Place, prompt: Prompt) -> Said:
        text = prompt[-1].content
        return FAILURE if place.role == "answerer" and "of the cup?" in text and "fork." not in text else None

    found = {(gain.turn, gain.op): gain for gain in play(behave, ALL).branches["g0"].gains}
    without_the_fork = found["manager-1.0", 1]
    assert without_the_fork.questions == 11 and combined(without_the_fork.parts) == pytest.approx(1 / 12)


def test_a_gain_without_any_answer_is_missing_and_not_0() -> None:
    def behave(place: Place, prompt: Prompt) -> Said:
        return FAILURE if place.role == "answerer" else None

    (gain, *_) = play(behave, ALL).branches["g0"].gains
    assert gain.parts["answer"] is None and combined(gain.parts) != combined(gain.parts)


# The kite: g0 gained 0 and g1 a question; the drum: the other way round. A question of 12 is a quarter of what its
# session earns, since each of three sessions has four.
@pytest.mark.parametrize(("unit", "question"), [("session", 1 / 4), ("conversation", 1 / 12)])
def test_the_tokens_of_a_reply_are_credited_line_by_line(
    unit: Literal["session", "conversation"], question: float
) -> None:
    settings = CreditConfig(rule="counterfactual_op", scale="mean", value_unit=unit)
    credit = assign(play(SPLIT, ALL).tree, settings=settings)
    # "a NOOP", a break and "b INSERT", the end.
    low, high = pytest.approx(-question / 2), pytest.approx(question / 2)
    assert list(credit.tokens["g0", "manager-2.0"]) == [low] * 6 + [high] * 9 + [0.0]
    kite, drum = len("1 Ana owns a kite."), len("\n2 Bo owns a drum.")
    assert list(credit.tokens["g1", "extractor-2.0"]) == [high] * kite + [low] * drum + [0.0]
    # Nothing else differed between the two.
    assert {turn for _, turn in credit.tokens} == {"extractor-2.0", "manager-2.0"}


def test_gains_and_lines_of_a_trace_come_back() -> None:
    branch = play(SPLIT, ALL).branches["g0"]
    assert type(branch).model_validate_json(branch.model_dump_json(exclude_defaults=True)) == branch
    assert isinstance(branch.gains[0], OpGain)


def test_a_model_that_does_not_tell_its_tokens_places_is_refused() -> None:
    played = play()

    class Bare:
        name, family = "bare", "compact"

        def __init__(self) -> None:
            for method in ("sample", "score", "count_tokens", "close"):
                setattr(self, method, getattr(played.policy, method))

    roles, bare = agents(), Bare()
    policies = dict.fromkeys(("extractor", "manager", "answerer"), bare)
    runner = EpisodeRunner(policies, roles, Quizzer(played.policy, roles.answerer, token_f1), RewardConfig())  # type: ignore[arg-type]
    plan = play(rollout=ALL).plan
    with pytest.raises(ConfigError, match="bare: does not tell which of its tokens wrote which line"):
        runner.run([plan], 0, 0)
