"""LoCoMo: every trap of the real file, round trips, and the facts of the shared development file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairmem.data import REFUSAL, load, locomo
from fairmem.errors import DataError
from fairmem.types import CATEGORIES, Conversation, Delta, Question, Session, Turn
from tests.unit.data.samples import tiny_locomo

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data" / "locomo" / "locomo_dev3.json"


def _write(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def tiny(tmp_path: Path) -> Conversation:
    return locomo.load(_write(tmp_path / "tiny.json", [tiny_locomo()]))[0]


def test_sessions_without_turns_are_skipped_and_the_others_keep_their_numbers(tiny: Conversation) -> None:
    assert [session.index for session in tiny.sessions] == [1, 3]
    assert tiny.session_of_turn() == {"D1:1": 1, "D1:2": 1, "D3:1": 3}


def test_times_are_read_on_both_sides_of_noon_and_midnight(tiny: Conversation) -> None:
    assert [session.time for session in tiny.sessions] == [datetime(2023, 5, 8, 0, 5), datetime(2023, 6, 9, 12, 30)]


def test_an_image_caption_becomes_the_caption_of_its_turn(tiny: Conversation) -> None:
    assert tiny.sessions[0].turns == (
        Turn("D1:1", "Ana", "I moved to Lodz."),
        Turn("D1:2", "Bo", "Look!", "a red car"),
    )


def test_questions_are_read_with_repaired_evidence_and_text_answers(tiny: Conversation) -> None:
    assert tiny.questions == (
        Question("conv-1:q1", "Where does Ana live?", "Lodz", "single_hop", ("D1:1",), asked_from=1),
        Question("conv-1:q2", "How many cars?", "1", "multi_hop", ("D1:2", "D3:1"), asked_from=3),
        Question("conv-1:q3", "When was the car sold?", "June 2023", "temporal", ("D3:1",), asked_from=3),
        # no evidence: asked after the last session that has turns
        Question("conv-1:q4", "Would Bo cycle?", "Likely yes", "open_domain", (), asked_from=3),
        Question("conv-1:q5", "Where does Bo live?", REFUSAL, "adversarial", ("D1:1",), asked_from=1),
        Question("conv-1:q6", "Is it Ana's car?", "No", "adversarial", ("D1:2",), asked_from=1),
        Question("conv-1:q7", "What colour?", "red", "single_hop", ("D1:2",), asked_from=1),
    )


def test_the_refusal_is_the_text_that_answerers_are_told_to_give() -> None:
    assert REFUSAL == "no information"


def test_every_repair_of_evidence_is_noted(tmp_path: Path) -> None:
    path = _write(tmp_path / "tiny.json", [tiny_locomo()])
    _, notes = locomo.load_with_notes(path)
    place = f"{path}: conversation 'conv-1' question"
    assert notes == [
        f"{place} 2: evidence 'D1:2; D3:01' read as D1:2, D3:1",
        f"{place} 3: evidence 'D:3:1' read as D3:1",
        f"{place} 3: evidence 'D' dropped, no such turn",
        f"{place} 7: evidence 'D9:9' dropped, no such turn",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("D8:6; D9:17", ("D8:6", "D9:17")),
        ("D30:05", ("D30:5",)),
        ("D:11:26", ("D11:26",)),
        ("D9:1 D4:4 D4:6", ("D9:1", "D4:4", "D4:6")),
        ("D1:2,D3:4", ("D1:2", "D3:4")),
        ("D10:10", ("D10:10",)),
        ("D", ()),
        ("D1", ()),
        ("1:2", ()),
        ("D1:2:3", ()),
        ("", ()),
    ],
)
def test_evidence_is_repaired_only_where_one_reading_is_possible(raw: str, expected: tuple[str, ...]) -> None:
    assert locomo.read_evidence(raw) == expected


def test_a_third_speaker_is_a_speaker_of_the_conversation(tmp_path: Path) -> None:
    sample = tiny_locomo()
    sample["conversation"]["session_3"][0]["speaker"] = "Cy"
    assert locomo.load(_write(tmp_path / "x.json", [sample]))[0].speakers == ("Ana", "Bo", "Cy")


def test_conversations_are_picked_by_id_and_broken_others_do_not_matter(tmp_path: Path) -> None:
    path = _write(tmp_path / "two.json", [{"sample_id": "conv-0"}, tiny_locomo()])
    assert [c.id for c in locomo.load(path, ["conv-1"])] == ["conv-1"]
    assert [c.id for c in locomo.load(path, "conv-1")] == ["conv-1"]
    assert locomo.load(path, []) == []
    with pytest.raises(DataError, match=r"no conversation 'conv-44'; it has 2: conv-0, conv-1"):
        locomo.load(path, ["conv-1", "conv-44"])


def _without(*keys: str | int) -> Any:
    sample: Any = tiny_locomo()
    holder = sample
    for key in keys[:-1]:
        holder = holder[key]
    del holder[keys[-1]]
    return [sample]


def _with(value: Any, *keys: str | int) -> Any:
    sample: Any = tiny_locomo()
    holder = sample
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = value
    return [sample]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sample_id": "x"}, "expected a list of conversations (LoCoMo's schema), found an object"),
        ([3], "conversation number 1: expected an object, found an integer"),
        (_without("sample_id"), "conversation number 1: key 'sample_id' is missing"),
        ([tiny_locomo(), tiny_locomo()], "two conversations are called 'conv-1'"),
        (_without("conversation"), "conversation 'conv-1': key 'conversation' is missing"),
        (_without("qa"), "conversation 'conv-1': key 'qa' is missing"),
        (_with({}, "qa"), "conversation 'conv-1': key 'qa' should be a list, found an object"),
        (_with(["x"], "qa"), "conversation 'conv-1': item 1 of 'qa' should be an object, found text"),
        (_without("conversation", "speaker_b"), "conversation 'conv-1': key 'speaker_b' is missing"),
        (
            _without("conversation", "session_3_date_time"),
            "conversation 'conv-1': key 'session_3_date_time' is missing",
        ),
        (
            _with("9 June 2023", "conversation", "session_3_date_time"),
            "session_3_date_time: expected a time like '1:56 pm on 8 May, 2023', found '9 June 2023'",
        ),
        (_with("1:56 pm on 31 June, 2023", "conversation", "session_3_date_time"), "found '1:56 pm on 31 June, 2023'"),
        (_with("13:56 pm on 3 June, 2023", "conversation", "session_3_date_time"), "found '13:56 pm on 3 June, 2023'"),
        (_with("1:56 pm on 3 Juno, 2023", "conversation", "session_3_date_time"), "found '1:56 pm on 3 Juno, 2023'"),
        (
            _without("conversation", "session_1", 1, "text"),
            "conversation 'conv-1' session_1 turn D1:2: key 'text' is missing",
        ),
        (
            _with("D1:1", "conversation", "session_3", 0, "dia_id"),
            "conversation 'conv-1' session_3: turn id 'D1:1' is used twice",
        ),
        (_without("qa", 0, "answer"), "conversation 'conv-1' question 1: key 'answer' is missing"),
        (_with(True, "qa", 0, "answer"), "conversation 'conv-1' question 1: key 'answer' should be text, found bool"),
        (_with(6, "qa", 1, "category"), "conversation 'conv-1' question 2: key 'category' should be 1 to 5, found 6"),
        (_with("4", "qa", 1, "category"), "question 2: key 'category' should be an integer, found text"),
        (_with("multi", "qa", 1, "fairmem_category"), "question 2: key 'fairmem_category' should be one of multi_hop"),
        (_with([{"turn": "D1:1"}], "fairmem_deltas"), "key 'fairmem_deltas' holds a record of another form"),
        (_with({"1": "noon"}, "fairmem_times"), "key 'fairmem_times' has no ISO time for session 1"),
        (
            _with({"speaker_a": "Ana", "speaker_b": "Bo"}, "conversation"),
            "conversation 'conv-1': no session with turns",
        ),
    ],
)
def test_a_file_of_another_schema_is_named_with_the_key_and_the_conversation(
    tmp_path: Path, data: Any, message: str
) -> None:
    path = _write(tmp_path / "bad.json", data)
    with pytest.raises(DataError) as caught:
        locomo.load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_files_that_are_not_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.json: no such file; LoCoMo is at https"):
        locomo.load(tmp_path / "absent.json")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        locomo.load(tmp_path)
    (tmp_path / "x.json").write_text("[{'a': 1}]", encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.json: not a JSON file: Expecting property name"):
        locomo.load(tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(b"[\xff]")
    with pytest.raises(DataError, match=r"x\.json: not a UTF-8 text file: invalid start byte at byte 1"):
        locomo.load(tmp_path / "x.json")


# --- writing -----------------------------------------------------------------------------------------------


def _rich() -> Conversation:
    """What LoCoMo's schema has no place for: seconds, a third speaker, own ids, validity, updates, deltas."""
    return Conversation(
        id="village-1",
        speakers=("Ana", "Bo", "Cy"),
        sessions=(
            Session(
                2, datetime(2023, 5, 8, 13, 5, 59), (Turn("s2/1", "Ana", 'Zoë said "hi".'), Turn("s2/2", "Bo", "", ""))
            ),
            Session(5, datetime(2023, 12, 31, 0, 0), (Turn("D5:1", "Ana", "I moved to Paris."),)),
        ),
        questions=(
            Question("q-a", "Where?", "Lodz", "knowledge_update", ("s2/1",), asked_from=2, valid_until=4),
            Question("village-1:q2", "Where?", "Paris", "knowledge_update", ("D5:1", "s2/1"), asked_from=5),
            Question("q-c", "Who?", REFUSAL, "adversarial", (), asked_from=2),
            Question("q-d", "Really?", "No", "adversarial", ("s2/2",), asked_from=5),
        ),
        deltas=(
            Delta(2, "s2/1", "new", "Ana", "Ana lives in Lodz."),
            Delta(5, "D5:1", "change", "Ana", "Ana lives in Paris.", "Ana lives in Lodz."),
        ),
    )


def test_what_is_dumped_loads_back_equal(tmp_path: Path, tiny: Conversation) -> None:
    path = tmp_path / "new" / "out.json"
    locomo.dump([_rich(), tiny], path)
    assert locomo.load(path) == [_rich(), tiny]


def test_a_dump_of_plain_locomo_has_no_extra_keys(tmp_path: Path, tiny: Conversation) -> None:
    locomo.dump([tiny], tmp_path / "out.json")
    assert "fairmem" not in (tmp_path / "out.json").read_text(encoding="utf-8")


def test_a_dump_is_locomo_for_other_readers(tmp_path: Path) -> None:
    locomo.dump([_rich()], tmp_path / "out.json")
    (sample,) = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert sample["conversation"]["session_2_date_time"] == "1:05 pm on 8 May, 2023"
    assert sample["conversation"]["session_5_date_time"] == "12:00 am on 31 December, 2023"
    assert sample["qa"][0] == {
        "question": "Where?",
        "answer": "Lodz",
        "evidence": ["s2/1"],
        "category": 4,
        "fairmem_category": "knowledge_update",
        "fairmem_id": "q-a",
        "fairmem_valid_until": 4,
    }
    assert sample["qa"][2] == {
        "question": "Who?",
        "evidence": [],
        "category": 5,
        "fairmem_id": "q-c",
        "fairmem_asked_from": 2,
    }
    assert sample["fairmem_deltas"][0] == {
        "session": 2,
        "turn": "s2/1",
        "kind": "new",
        "speaker": "Ana",
        "content": "Ana lives in Lodz.",
    }


def _reordered() -> Conversation:
    return replace(_rich(), sessions=_rich().sessions[::-1])


@pytest.mark.parametrize(
    "conversation",
    [
        replace(_rich(), sessions=(*_rich().sessions, Session(6, datetime(2024, 1, 1), ()))),
        _reordered(),
        replace(_rich(), questions=(replace(_rich().questions[0], evidence=("D9:9",)),)),
        replace(_rich(), speakers=("Ana", "Cy")),
        replace(_rich(), sessions=()),
    ],
)
def test_what_would_not_load_back_equal_is_not_written(tmp_path: Path, conversation: Conversation) -> None:
    with pytest.raises(DataError, match="'village-1'"):
        locomo.dump([conversation], tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_what_other_datasets_say_of_a_question_survives_the_round_trip(tmp_path: Path, tiny: Conversation) -> None:
    first = replace(
        tiny.questions[0], kind="roles", options=("Lodz", "Riga"), alternatives=("in Lodz",), rubric=("Lodz",)
    )
    talk = replace(tiny, questions=(first, *tiny.questions[1:]))
    locomo.dump([talk], tmp_path / "x.json")
    assert locomo.load(tmp_path / "x.json") == [talk]


def test_two_conversations_of_one_id_are_not_written(tmp_path: Path, tiny: Conversation) -> None:
    with pytest.raises(DataError, match="two conversations are called 'conv-1'"):
        locomo.dump([tiny, tiny], tmp_path / "out.json")


_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@st.composite
def _conversations(draw: st.DrawFn) -> Conversation:
    sessions: list[Session] = []
    start = datetime(1999, 1, 1)
    for index in sorted(draw(st.sets(st.integers(1, 40), min_size=1, max_size=3))):
        turns = tuple(
            Turn(f"D{index}:{n}", draw(st.sampled_from(["Ana", "Bo"])), draw(_TEXT), draw(st.none() | _TEXT))
            for n in range(1, draw(st.integers(1, 3)) + 1)
        )
        sessions.append(Session(index, start + timedelta(seconds=draw(st.integers(0, 10**9))), turns))
    turn_ids = [turn.id for session in sessions for turn in session.turns]
    questions = tuple(
        Question(
            draw(st.sampled_from([f"c:q{n}", f"other-{n}"])),
            draw(_TEXT),
            draw(st.just(REFUSAL) | _TEXT),
            draw(st.sampled_from(CATEGORIES)),
            tuple(draw(st.lists(st.sampled_from(turn_ids), unique=True, max_size=3))),
            draw(st.integers(0, 50)),
            draw(st.none() | st.integers(0, 50)),
        )
        for n in range(1, draw(st.integers(0, 3)) + 1)
    )
    deltas = tuple(
        Delta(sessions[0].index, turn_ids[0], "change", "Ana", draw(_TEXT), draw(st.none() | _TEXT))
        for _ in range(draw(st.integers(0, 2)))
    )
    return Conversation("c", ("Ana", "Bo"), tuple(sessions), questions, deltas)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(_conversations())
def test_any_conversation_survives_the_round_trip(tmp_path: Path, conversation: Conversation) -> None:
    locomo.dump([conversation], tmp_path / "out.json")
    assert locomo.load(tmp_path / "out.json") == [conversation]


# --- the real file -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> dict[str, Conversation]:
    if not SHARED.is_file():
        pytest.skip(f"shared data folder absent: {SHARED}")
    return {conversation.id: conversation for conversation in load("locomo", SHARED)}


@pytest.mark.parametrize(
    # categories 1 to 5 in LoCoMo's order
    ("name", "sessions", "turns", "questions"),
    [
        ("conv-43", 29, 680, (31, 26, 14, 107, 64)),
        ("conv-44", 28, 675, (30, 24, 7, 62, 35)),
        ("conv-47", 31, 689, (20, 34, 13, 83, 40)),
    ],
)
def test_the_development_conversations_have_their_published_sizes(
    real: dict[str, Conversation], name: str, sessions: int, turns: int, questions: tuple[int, ...]
) -> None:
    conversation = real[name]
    counts = Counter(question.category for question in conversation.questions)
    assert len(conversation.sessions) == sessions
    assert len(conversation.session_of_turn()) == turns
    assert tuple(counts[category] for category in CATEGORIES[:5]) == questions


def test_memory_r2_trains_on_328_questions_and_validates_on_123(real: dict[str, Conversation]) -> None:
    asked = {
        name: sum(q.category != "adversarial" and bool(q.evidence) for q in conversation.questions)
        for name, conversation in real.items()
    }
    assert asked == {"conv-43": 178, "conv-44": 123, "conv-47": 150}


def test_all_evidence_in_the_real_file_names_turns_up_to_the_session_asked_from(real: dict[str, Conversation]) -> None:
    for conversation in real.values():
        session_of = conversation.session_of_turn()
        for question in conversation.questions:
            assert max(session_of[turn] for turn in question.evidence) == question.asked_from
            assert question.category != "adversarial" or question.answer == REFUSAL


def test_two_malformed_evidence_ids_of_the_real_file_are_noted(real: dict[str, Conversation]) -> None:
    _, notes = locomo.load_with_notes(SHARED)
    assert [note.partition("conversation ")[2] for note in notes] == [
        "'conv-43' question 19: evidence 'D:11:26' read as D11:26",
        "'conv-47' question 39: evidence 'D4:36' dropped, no such turn",
    ]
    assert "D11:26" in real["conv-43"].questions[18].evidence


def test_the_real_file_survives_the_round_trip(tmp_path: Path, real: dict[str, Conversation]) -> None:
    locomo.dump(list(real.values()), tmp_path / "out.json")
    assert locomo.load(tmp_path / "out.json") == list(real.values())
