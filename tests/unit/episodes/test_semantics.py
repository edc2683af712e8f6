"""The rules of an episode. A change of one of these changes what every reward means.

 1. A session ends when the manager has worked on its last chunk; a chunk without facts ends with its extraction.
 2. Memory passes from chunk to chunk and from session to session; extraction never sees it.
 3. A malformed operation costs nothing by itself: it changes nothing, the others of its reply are applied.
 4. A reply without any usable item is a named outcome, leaves memory as it was and does not end the branch.
 5. A truncated reply gives the items complete before the cut.
 6. A call that fails ends its branch: the failed turn is the last on the trace, no reward, no memory.
 7. Rerollouts that need memory from after a failure are skipped, say so, and are in no group; those from before
    it are played.
 8. A failed branch is left out; the rest of its group are still compared.
 9. An answer that fails has no score; means are over the others. It is never 0.
10. A session no question is about earns None, on every branch alike.
11. An empty memory is asked like any other: it earns what "no information" is worth.
12. All members of a group answer the same questions; a global branch earns by evidence session, a rerollout the
    mean over all of its questions, or the mean of the two means over those about its session and the others.
13. The final memory is charged for its size in every session alike, against the dialogue up to there.
14. A rerollout starts from its parent's memory at the start of the session, and ends after the horizon.
"""

from dataclasses import replace

import pytest

from fairmem.config import CreditConfig, RewardConfig
from fairmem.credit import assign
from fairmem.memory import MemoryBank
from fairmem.policy import Prompt
from fairmem.trace import FailureKind, ParseOutcome, StopReason
from tests.unit.episodes.build import (
    CONVERSATION,
    EVERYWHERE,
    FAILURE,
    PLAIN,
    Place,
    Played,
    Said,
    at,
    local_groups,
    play,
    question,
)


def contents(played: Played, branch: str = "g0") -> list[str]:
    return [entry.content for entry in played.report.banks[0, branch].entries]


def test_rule_1_a_session_ends_with_its_last_chunk() -> None:
    played = play(at({("g0", "extractor", 2, 1): "none"}))
    ends = [[t.id for t in played.branches["g0"].turns if t.session == s][-1] for s in (1, 2, 3)]
    assert ends == ["manager-1.1", "extractor-2.1", "manager-3.1"]


def test_rule_2_memory_passes_on_and_extraction_does_not_see_it() -> None:
    plain, other = play(), play(at({("g0", "manager", 1, 0): "a NOOP\nb NOOP"}))
    assert other.turn("g0", "manager-1.1").bank_before == MemoryBank.empty().hash
    assert other.turn("g0", "manager-2.0").bank_before == other.turn("g0", "manager-1.1").bank_after
    for s in (1, 2, 3):
        for c in (0, 1):
            assert other.turn("g0", f"extractor-{s}.{c}") == plain.turn("g0", f"extractor-{s}.{c}")


@pytest.mark.parametrize(
    ("reply", "dropped"),
    [
        ("a INSERT\nb UPDATE 9", "no entry 9"),
        ("a INSERT\nz INSERT", "no fact z"),
        ("a INSERT\nb EXPLODE", "not 'LETTER OPERATION'"),
        ("a INSERT\nb DELETE", "names no entry"),
    ],
)
def test_rule_3_a_malformed_operation_changes_nothing_and_the_others_are_applied(reply: str, dropped: str) -> None:
    played = play(at({("g0", "manager", 1, 0): reply}))
    turn = played.turn("g0", "manager-1.0")
    assert turn.parse is ParseOutcome.PARTIAL and len(turn.dropped) == 1 and dropped in turn.dropped[0]
    assert "Ana owns a cup." in contents(played) and "Bo owns a fork." not in contents(played)
    # Only the fact that was lost is missed: 3 of 4 in session 1.
    assert played.answers("g0") == {1: 0.75, 2: 1.0, 3: 1.0}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("", ParseOutcome.UNPARSABLE),
        ("I would rather not.", ParseOutcome.UNPARSABLE),
        ("z INSERT", ParseOutcome.NO_ITEMS),
        ("none", ParseOutcome.EMPTY),
    ],
)
def test_rule_4_a_manager_reply_without_usable_item_leaves_memory_as_it_was(reply: str, outcome: ParseOutcome) -> None:
    played = play(at({("g0", "manager", 2, 0): reply}))
    turn = played.turn("g0", "manager-2.0")
    assert turn.parse is outcome and turn.bank_after == turn.bank_before and turn.failure is None
    assert {op.op for op in turn.ops} <= {"NOOP"}
    # The branch went on: kite and drum are all that is missing.
    assert played.answers("g0") == {1: 1.0, 2: 0.5, 3: 1.0}
    assert not played.branches["g0"].failed


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("", ParseOutcome.UNPARSABLE),
        ("Ana owns a kite.", ParseOutcome.UNPARSABLE),
        ("7 Ana owns a kite.", ParseOutcome.NO_ITEMS),
    ],
)
def test_rule_4_an_extractor_reply_without_usable_item_asks_no_manager(reply: str, outcome: ParseOutcome) -> None:
    played = play(at({("g0", "extractor", 2, 0): reply}))
    assert played.turn("g0", "extractor-2.0").parse is outcome
    assert "manager-2.0" not in {turn.id for turn in played.branches["g0"].turns}
    assert played.answers("g0") == {1: 1.0, 2: 0.5, 3: 1.0}


def test_rule_5_a_truncated_reply_gives_what_was_complete_before_the_cut() -> None:
    # The limit is 12 tokens, here bytes: "a INSERT" and the line break are 9, the second line is cut after "b I".
    played = play(manager_max_tokens=12)
    turn = played.turn("g0", "manager-1.0")
    assert (turn.text, turn.stop, turn.parse) == ("a INSERT\nb I", StopReason.LENGTH, ParseOutcome.TRUNCATED)
    assert len(turn.ids) == 12 and [op.op for op in turn.ops] == ["INSERT", "NOOP"]
    # Every second fact is lost.
    assert played.answers("g0") == {1: 0.5, 2: 0.5, 3: 0.5}


@pytest.mark.parametrize(
    ("role", "last"), [("extractor", "extractor-2.1"), ("manager", "manager-2.1")]
)  # fmt: skip
def test_rule_6_a_failed_call_ends_its_branch(role: str, last: str) -> None:
    played = play(at({("g0", role, 2, 1): FAILURE}))
    branch = played.branches["g0"]
    assert branch.turns[-1].id == last and branch.turns[-1].failure == FAILURE
    assert branch.turns[-1].prompt and branch.turns[-1].ids == () and branch.turns[-1].parse is None
    assert branch.failed and branch.rewards == () and branch.quiz == () and branch.final_bank == ""
    assert (0, "g0") not in played.report.banks
    # What was played before the failure is on the trace; nothing after it is.
    assert "manager-2.0" in {t.id for t in branch.turns} and 3 not in {t.session for t in branch.turns}
    if role == "manager":
        assert branch.turns[-1].bank_before == branch.turns[-1].bank_after == branch.turns[-3].bank_after
    assert not played.branches["g1"].failed and played.answers("g1") == {1: 1.0, 2: 1.0, 3: 1.0}


@pytest.mark.parametrize("role", ["extractor", "manager"])
def test_rule_7_rerollouts_from_after_a_failure_are_skipped_and_in_no_group(role: str) -> None:
    failing = at({("g0", role, 2, 0): FAILURE, ("g1", role, 2, 0): FAILURE})
    played = play(failing, rollout=EVERYWHERE)
    for (parent, session), members in local_groups(played.plan).items():
        for member in members:
            branch = played.branches[member.id]
            if session <= 2:
                assert not branch.failed and branch.rewards
                continue
            assert branch.failed and branch.rewards == () and branch.quiz == () and branch.start_bank == ""
            skipped = branch.turns[-1].failure
            assert skipped is not None and skipped.kind is FailureKind.SKIPPED and skipped.attempts == 0
            assert parent in skipped.message and FAILURE.message in skipped.message
    credit = assign(played.tree, "logo", CreditConfig(scale="mean"))
    assert not {branch for branch, _ in credit.turns if "/s3/" in branch}
    # Both globals, and the two rerollouts of session 3.
    assert credit.diagnostics.failed_branches == 4
    assert credit.diagnostics.local_groups.formed == 2 and credit.diagnostics.global_groups.formed == 0


def test_rule_8_the_others_of_a_group_are_still_compared() -> None:
    three = PLAIN.model_copy(update={"global_group": 3})
    played = play(at({("g0", "manager", 1, 0): FAILURE, ("g1", "manager", 1, 0): "a NOOP\nb INSERT"}), rollout=three)
    credit = assign(played.tree, "grpo", CreditConfig(scale="mean"))
    # Session 1: g1 0.75, g2 1.0, mean 0.875. Sessions 2 and 3: no difference.
    assert {key: value.advantage for key, value in credit.turns.items()} == {
        (branch, f"{role}-1.{chunk}"): advantage
        for branch, advantage in (("g1", -0.125), ("g2", 0.125))
        for role in ("extractor", "manager")
        for chunk in (0, 1)
    }


def test_rule_9_an_answer_that_fails_is_left_out_of_the_mean() -> None:
    # The answerer fails wherever the cup is not remembered: g1 is judged by its other three questions.
    base = at({("g1", "manager", 1, 0): "a NOOP\nb INSERT"})

    def behave(place: Place, prompt: Prompt) -> Said:
        text = prompt[-1].content
        lost = "What of the cup?" in text and "a cup." not in text
        return FAILURE if lost else base(place, prompt)

    played = play(behave)
    assert played.answers("g0")[1] == played.answers("g1")[1] == 1.0
    assert [played.branches[b].rewards[0].questions for b in ("g0", "g1")] == [4, 3]
    (failed,) = [item for item in played.branches["g1"].quiz if item.failure is not None]
    assert (failed.question, failed.answer, failed.score) == ("cup", None, None)


def test_rule_10_a_session_without_questions_earns_none() -> None:
    asked = replace(CONVERSATION, questions=(question("cup", 1, 1), question("tent", 3, 4)))
    played = play(conversation=asked)
    for branch in ("g0", "g1"):
        assert played.answers(branch) == {1: 1.0, 2: None, 3: 1.0}
        assert [reward.questions for reward in played.branches[branch].rewards] == [1, 0, 1]
    credit = assign(played.tree, "grpo")
    assert credit.diagnostics.global_groups.unscored == 1 and credit.turns == {}
    nothing = play(conversation=replace(CONVERSATION, questions=()), rollout=EVERYWHERE)
    assert {r.parts["answer"] for b in nothing.tree.branches for r in b.rewards} == {None}


def test_rule_11_an_empty_memory_is_asked_like_any_other() -> None:
    unknown = question("cup", 1, 1, answer="no information", category="adversarial")
    asked = replace(CONVERSATION, questions=(unknown, question("fork", 1, 2)))
    played = play(at({("g0",): "none"}), conversation=asked)
    assert played.branches["g0"].bank_entries == 0
    # "no information" is right for the first question (1) and shares no word with "fork" (0).
    assert played.answers("g0") == {1: 0.5, 2: None, 3: None}


def test_rule_12_global_branches_earn_by_session_and_rerollouts_over_all_their_questions() -> None:
    played = play(at({("g0", "manager", 1): "none", ("g1", "manager", 1): "none"}), rollout=EVERYWHERE)
    assert played.answers("g0") == {1: 0.0, 2: 1.0, 3: 1.0}
    for (_, session), members in local_groups(played.plan).items():
        # Session 1 played again is whole; 2 and 3 start without the 4 facts of session 1.
        expected = {1: 1.0, 2: 4 / 8, 3: 8 / 12}[session]
        assert [played.answers(m.id) for m in members] == [{session: expected}] * 2
        assert len({tuple(i.question for i in played.branches[m.id].quiz) for m in members}) == 1


def test_rule_13_size_is_charged_in_every_session_alike() -> None:
    played = play(at({("g1", "manager", 3): "none"}), reward=RewardConfig(compression_tau=0.0, compression_lambda=1.0))
    dialogue = sum(len(t.text) for s in CONVERSATION.sessions for t in s.turns)
    for branch in ("g0", "g1"):
        charges = [r.parts["compression_penalty"] for r in played.branches[branch].rewards]
        assert charges == [played.branches[branch].bank_tokens / dialogue] * 3
    # Without session 3 a third less is remembered, and charged, in sessions 1 and 2 as well.
    sizes = [played.branches[branch].bank_tokens for branch in ("g0", "g1")]
    assert sizes[1] == pytest.approx(sizes[0] * 2 / 3, rel=0.05)


def test_rule_13_before_any_dialogue_there_is_no_charge_and_no_reward() -> None:
    mute = replace(
        CONVERSATION,
        sessions=tuple(replace(s, turns=tuple(replace(t, text="") for t in s.turns)) for s in CONVERSATION.sessions),
    )
    played = play(conversation=mute)
    assert {r.parts["compression_penalty"] for b in played.tree.branches for r in b.rewards} == {None}
    assert assign(played.tree).turns == {}


def test_rule_14_a_rerollout_runs_from_the_fork_to_the_horizon() -> None:
    played = play(rollout=EVERYWHERE.model_copy(update={"local_horizon": 1}))
    for (parent, session), members in local_groups(played.plan).items():
        for member in members:
            branch = played.branches[member.id]
            assert [s for s in (1, 2, 3) if s in {t.session for t in branch.turns}] == [session, session + 1][
                : 4 - session
            ]
            assert branch.start_bank == played.turn(parent, f"manager-{session}.0").bank_before
            assert branch.bank_entries == 4 * min(session + 1, 3)


def test_rule_12_with_both_scopes_the_own_session_counts_for_half() -> None:
    both = EVERYWHERE.model_copy(update={"questions": "both"})
    played = play(at({("g0", "manager", 1): "none", ("g1", "manager", 1): "none"}), rollout=both)
    for (_, session), members in local_groups(played.plan).items():
        # 2: own 4 of 4, others 0 of 4. 3: own 4 of 4, others (session 2's) 4 of 8. Over all it is 4/8 and 8/12.
        expected = {1: 1.0, 2: 0.5, 3: 0.75}[session]
        assert [played.answers(m.id) for m in members] == [{session: expected}] * 2
