from __future__ import annotations

from collections.abc import Sequence

import pytest

from fairmem.config import RewardConfig
from fairmem.policy import Message, Prompt, Reply, SampleRequest, ScriptedPolicy
from fairmem.rewards import (
    CallsReward,
    ContentItem,
    ContentReward,
    LexicalFaithfulness,
    Outcome,
    PolicyJudge,
    RatioReward,
    call_success,
    content_quality,
    reward_parts,
)
from fairmem.trace import CallFailure, FailureKind, OpRecord, ParseOutcome, RoleTurn

DOWN = CallFailure(kind=FailureKind.TIMEOUT, message="no answer")


def op(name: str, outcome: str = "applied", faithful: bool | None = None) -> OpRecord:
    return OpRecord(op=name, outcome=outcome, faithful=faithful)


def turn(*ops: OpRecord, session: int = 1, parse: ParseOutcome = ParseOutcome.OK, dropped: int = 0) -> RoleTurn:
    return RoleTurn(
        id=f"writer-{session}.0",
        role="writer",
        session=session,
        chunk=0,
        prompt="",
        prompt_hash="",
        parse=parse,
        dropped=("x",) * dropped,
        ops=ops,
    )


@pytest.mark.parametrize(
    ("played", "ours", "paper"),
    [
        (turn(op("INSERT"), op("CORE", "core_overflow")), 0.5, 0.5),  # one of two
        (turn(op("INSERT"), dropped=2), 1 / 3, 1 / 3),  # one of three
        (turn(parse=ParseOutcome.EMPTY), 1.0, 0.0),  # nothing to do: the paper has it cost the whole part
        (turn(op("NOOP", "noop"), parse=ParseOutcome.EMPTY), 1.0, 0.0),
        (turn(parse=ParseOutcome.UNPARSABLE), 0.0, 0.0),
        (turn(op("DELETE")), 1.0, 1.0),
        (turn(op("DELETE", "unknown_id")), 0.0, 1.0),  # the paper counts it as done
        (turn(op("INSERT", "merged_duplicate")), 1.0, 0.0),  # and this as failed
        (turn(op("SEARCH", "nothing_found")), 1.0, 1.0),
    ],
)
def test_the_share_of_calls_that_succeeded_ours_and_as_published(played: RoleTurn, ours: float, paper: float) -> None:
    assert call_success(played) == ours
    assert call_success(played, paper=True) == paper


@pytest.mark.parametrize(
    ("played", "ours", "paper"),
    [
        (turn(op("INSERT", faithful=True), op("UPDATE", faithful=False)), 0.5, 0.5),
        (turn(op("INSERT", faithful=True), op("DELETE")), 1.0, 0.5),  # a deletion is neutral; the paper's denominator
        (turn(op("DELETE")), 1.0, 0.0),
        (turn(parse=ParseOutcome.EMPTY), 1.0, 0.0),
        (turn(parse=ParseOutcome.UNPARSABLE), 0.0, 0.0),
        (turn(op("INSERT")), None, None),  # the judge failed: unmeasured, not 0
        (turn(op("INSERT"), op("INSERT", faithful=True)), 1.0, 1.0),  # the one that was judged
    ],
)
def test_the_share_of_faithful_texts_ours_and_as_published(
    played: RoleTurn, ours: float | None, paper: float | None
) -> None:
    assert content_quality(played) == ours
    assert content_quality(played, paper=True) == paper


def test_the_parts_are_weighted_kept_apart_and_per_session() -> None:
    settings = RewardConfig(form="mem_alpha", beta=0.2, gamma=0.5)
    turns = (turn(op("INSERT", faithful=True)), turn(op("INSERT", "empty_text"), session=2), turn(session=3))
    outcome = Outcome(False, (1, 2, 3, 4), (), memory_tokens=25, dialogue_tokens=100, turns=turns)
    assert CallsReward()(outcome, settings) == {1: 1.0, 2: 0.0, 3: 1.0, 4: 1.0}
    # 0.2 * (1 - 25 / 100)
    assert RatioReward()(outcome, settings) == pytest.approx(dict.fromkeys((1, 2, 3, 4), 0.15))
    # session 2: a refused text is not judged, and none was asked for; the reply was read
    assert ContentReward()(outcome, settings) == {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5}
    assert set(reward_parts(settings)) == {"answer", "calls", "compression", "content"}
    assert ContentReward()(outcome, settings.model_copy(update={"gamma": 0.0}))[1] == 0.0


def test_a_session_whose_judge_failed_is_unmeasured() -> None:
    outcome = Outcome(False, (1,), (), 0, 100, turns=(turn(op("INSERT")),))
    assert ContentReward()(outcome, RewardConfig(form="mem_alpha")) == {1: None}
    assert RatioReward()(Outcome(False, (1,), (), 0, 0), RewardConfig(form="mem_alpha")) == {1: None}


def test_a_rerollout_earns_the_mean_over_its_turns_at_its_last_session() -> None:
    turns = (turn(op("INSERT"), session=2), turn(op("INSERT", "empty_text"), session=3))
    assert CallsReward()(Outcome(True, (3,), (), 0, 100, turns=turns), RewardConfig(form="mem_alpha")) == {3: 0.5}


SOURCE = "Ana: I moved to Lodz.\nBo: I sold my car."


@pytest.mark.parametrize(
    ("content", "place", "before", "faithful"),
    [
        ("Ana lives in Lodz.", "semantic", "", True),  # ana, lodz of ana, live, lodz
        ("Ana lives in Rome.", "semantic", "", False),  # ana of three
        ("Cy plays chess.", "semantic", "", False),
        ("Bo sold his car on 7 May 2023.", "episodic", "", True),
        ("Bo has a red van.", "semantic", "Bo has a red car.", True),  # bo, red of bo, red, van
        ("Ana lives in Lodz. Bo works as a tutor.", "core", "Ana lives in Paris. Bo works as a tutor.", True),
        ("Ana lives in Lodz. Bo dances tango nightly.", "core", "Ana lives in Paris.", False),
    ],
)
def test_the_lexical_scorer_looks_for_the_words_in_the_chunk(
    content: str, place: str, before: str, faithful: bool
) -> None:
    (verdict,) = LexicalFaithfulness().judge([ContentItem(content, place, SOURCE, "7 May 2023", before)])
    assert verdict.faithful is faithful and verdict.failure is None


class _Down(ScriptedPolicy):
    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        return [DOWN for _ in requests]


def test_a_judge_sees_the_chunk_and_what_was_there_before_and_gives_a_verdict() -> None:
    asked: list[Prompt] = []

    def script(prompt: Prompt, seed: int) -> str:
        asked.append(prompt)
        return "Rome was never said.\nINVALID" if "Rome" in prompt[0].content else "Nothing is missing. VALID"

    judge = PolicyJudge(ScriptedPolicy(script, family="instruct"))
    items = [
        ContentItem("Ana lives in Lodz.", "core", SOURCE, "7 May 2023", "Ana lives in Paris."),
        ContentItem("Ana lives in {{source}} Rome.", "semantic", SOURCE, "7 May 2023"),
    ]
    assert [verdict.faithful for verdict in judge.judge(items)] == [True, False]
    assert isinstance(asked[0][0], Message)
    assert all(part in asked[0][0].content for part in (SOURCE, "Ana lives in Paris.", "Written (core)"))
    assert "{{source}} Rome" in asked[1][0].content  # a value is never expanded


def test_a_judge_that_fails_or_never_decides_is_a_named_failure_and_no_verdict() -> None:
    item = ContentItem("Ana sings.", "semantic", SOURCE, "7 May 2023")
    assert PolicyJudge(_Down()).judge([item])[0] == (None, DOWN)
    asked: list[int] = []

    def undecided(prompt: Prompt, seed: int) -> str:
        asked.append(seed)
        return "Hard to say."

    (verdict,) = PolicyJudge(ScriptedPolicy(undecided, family="instruct"), attempts=3).judge([item])
    assert verdict.faithful is None and verdict.failure is not None
    assert verdict.failure.kind is FailureKind.BAD_RESPONSE and len(set(asked)) == 3
