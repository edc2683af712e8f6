"""LongMemEval in both schemas: order of sessions, evidence, abstention; and the shared samples."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fairmem.data import REFUSAL, longmemeval
from fairmem.errors import DataError
from fairmem.types import Question

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data" / "longmemeval"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no LongMemEval samples in {SHARED}")


def item(**changes: Any) -> dict[str, Any]:
    """Two sessions in the wrong order, one of them with an empty message."""
    return {
        "question_id": "q1",
        "question_type": "knowledge-update",
        "question": "Where do I live?",
        "answer": "Lodz",
        "question_date": "2023/06/01 (Thu) 00:58",
        "haystack_dates": ["2023/05/27 (Sat) 10:20", "2023/05/25 (Thu) 20:21"],
        "haystack_sessions": [
            [{"role": "user", "content": "I moved to Lodz.", "has_answer": True}],
            [
                {"role": "user", "content": "I live in Riga.", "has_answer": False},
                {"role": "assistant", "content": " "},
                {"role": "user", "content": "Bye."},
            ],
        ],
        **changes,
    }


def write(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "lme.json"
    path.write_text(json.dumps(content))
    return path


def test_sessions_are_in_order_of_their_dates_and_evidence_follows(tmp_path: Path) -> None:
    talk = longmemeval.load(write(tmp_path, [item()]))[0]
    assert [session.time for session in talk.sessions] == [datetime(2023, 5, 25, 20, 21), datetime(2023, 5, 27, 10, 20)]
    assert [turn.id for turn in talk.sessions[0].turns] == ["D1:1", "D1:3"]  # the empty message keeps its number
    assert talk.speakers == ("User",)
    assert talk.questions == (
        Question(
            "q1",
            "Where do I live? (Asked on 1 June 2023.)",
            "Lodz",
            "knowledge_update",
            ("D2:1",),
            asked_from=2,
            kind="knowledge-update",
        ),
    )


def test_what_was_never_said_is_adversarial_and_wants_a_refusal(tmp_path: Path) -> None:
    asked = longmemeval.load(write(tmp_path, [item(question_id="x_abs", answer="You never said.")]))[0].questions[0]
    assert (asked.category, asked.answer, asked.kind) == ("adversarial", REFUSAL, "abstention")


def test_a_number_is_an_answer(tmp_path: Path) -> None:
    assert longmemeval.load(write(tmp_path, [item(answer=4)]))[0].questions[0].answer == "4"


def test_the_flattened_form_groups_messages_by_date(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "b", "date": "2023/05/21 (Sun) 01:00"},
        {"role": "user", "content": "a", "date": "2023/05/20 (Sat) 01:00"},
        {"role": "assistant", "content": "c", "date": "2023/05/21 (Sun) 01:00"},
    ]
    row = {
        "id": "i",
        "question_type": "multi-session",
        "conversation": messages,
        "questions": [{"id": "q7", "question": "How many?", "answer": 3}],
    }
    talk = longmemeval.load(write(tmp_path, {"data": [row]}))[0]
    assert [[turn.text for turn in session.turns] for session in talk.sessions] == [["a"], ["b", "c"]]
    assert talk.questions == (Question("i:q7", "How many?", "3", "multi_hop", (), 2, kind="multi-session"),)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([{k: v for k, v in item().items() if k != "answer"}], "item 'q1': key 'answer' is missing"),
        ([item(question_type="riddle")], "'question_type' should be one of single-session-user, .*found 'riddle'"),
        ([item(haystack_dates=["2023/05/27"])], "2 sessions and 1 dates"),
        ([item(haystack_dates=["yesterday", "2023/05/27"])], "expected a date such as .*found 'yesterday'"),
        ([item(haystack_dates=["2023/13/27", "2023/05/27"])], "'2023/13/27' is no date: month must be in 1..12"),
        ([item(haystack_sessions=[[], []])], "no session with messages"),
        ([item(haystack_sessions=[7, 8])], "a session should be a list of messages, found an integer"),
        ([item(haystack_sessions=[[{"role": "user"}], []])], "session 2 message 1: key 'content' is missing"),
        ([item(), item()], "two items are called 'q1'"),
        ({"items": []}, "key 'data' is missing"),
        ([3], "item 1 of 'items' should be an object"),
    ],
)
def test_a_bad_file_gets_one_clear_line(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        longmemeval.load(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_an_unknown_item_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, [item()])
    assert [talk.id for talk in longmemeval.load(path, ["q1"])] == ["q1"]
    with pytest.raises(DataError, match="no item 'q2'; it has 1"):
        longmemeval.load(path, ["q2"])


@needs_data
@pytest.mark.parametrize(
    ("file", "items", "sessions", "turns", "evidence", "abstained"),
    [
        ("oracle_sample16_hydrabuild.json", 16, 26, 306, 0, 0),
        ("oracle_sample2_adit.json", 2, 4, 48, 3, 1),
        ("abstain_sample4_hydrabuild.json", 4, 48, 458, 0, 4),
        ("s_single_e47becba_lightmem.json", 1, 53, 550, 2, 0),
    ],
)
def test_the_shared_samples_are_read(
    file: str, items: int, sessions: int, turns: int, evidence: int, abstained: int
) -> None:
    talks = longmemeval.load(SHARED / file)
    questions = [question for talk in talks for question in talk.questions]
    assert len(talks) == len(questions) == items
    assert sum(len(talk.sessions) for talk in talks) == sessions
    assert sum(len(talk.session_of_turn()) for talk in talks) == turns
    assert sum(question.category == "adversarial" for question in questions) == abstained
    assert sum(len(question.evidence) for question in questions) == evidence
