from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.agents.wording import turn_text
from fairmem.data import load
from fairmem.planning import AVERAGES, average_conversation

LOCOMO = Path(__file__).parents[4] / "shared" / "data" / "locomo" / "locomo_dev3.json"


def test_an_average_conversation_has_the_sizes_of_the_table() -> None:
    average = AVERAGES["locomo"]
    talk = average_conversation(average, 8, "x")
    turns = [turn for session in talk.sessions for turn in session.turns]
    assert len(talk.sessions) == 8 and len(turns) == int(8 * 23.2 + 0.5)
    assert {len(turn.text) for turn in turns} == {136}
    assert len(talk.questions) == int(8 * 5.1 + 0.5)
    assert len({turn.id for turn in turns}) == len(turns) and len({turn.text for turn in turns}) == len(turns)
    assert all(question.evidence[0] in {turn.id for turn in turns} for question in talk.questions)


def test_a_conversation_is_no_longer_than_those_of_the_dataset() -> None:
    assert len(average_conversation(AVERAGES["locomo"], 32, "x").sessions) == 29
    assert average_conversation(AVERAGES["locomo"], 8, "x") == average_conversation(AVERAGES["locomo"], 8, "x")


def test_the_averages_are_those_of_the_data() -> None:
    if not LOCOMO.exists():
        pytest.skip(f"LoCoMo absent: {LOCOMO}")
    talks = load("locomo", LOCOMO)
    sessions = [session for talk in talks for session in talk.sessions]
    turns = [turn for session in sessions for turn in session.turns]
    asked = [q for talk in talks for q in talk.questions if q.category != "adversarial"]
    average = AVERAGES["locomo"]
    assert (len(sessions), len(turns)) == (88, 2044)
    assert round(len(turns) / len(sessions), 1) == average.turns
    assert round(sum(len(turn_text(turn)) for turn in turns) / len(turns), 1) == average.turn_chars
    assert round(len(asked) / len(sessions), 1) == average.questions
    assert round(sum(len(q.text) for q in asked) / len(asked), 1) == average.question_chars
    assert round(len(sessions) / len(talks)) == average.sessions
