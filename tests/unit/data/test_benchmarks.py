"""The loaders of further benchmarks against hand-written files in their published schemas."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fairmem.data import REFUSAL, beam, load, membench, memory_agent_bench, msc_self_instruct, personamem
from fairmem.errors import DataError


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


# --- MSC-Self-Instruct ----------------------------------------------------------------------------------------


def dmr(**changes: Any) -> dict[str, Any]:
    return {
        "metadata": {"initial_data_id": "valid_9", "session_id": 4},
        "previous_dialogs": [
            {"dialog": [{"text": "I train falcons."}, {"text": "I bake."}], "time_back": "14 days 4 hours ago"},
            {"dialog": [{"text": "Hi again."}], "time_back": "3 days ago"},
        ],
        "dialog": [{"text": "Ziggy is well.", "id": "Speaker 1"}],
        "self_instruct": {"B": "What do you train?", "A": "Falcons."},
        **changes,
    }


def test_dmr_dates_count_back_and_speakers_take_turns(tmp_path: Path) -> None:
    path = write(tmp_path / "dmr.jsonl", json.dumps(dmr()) + "\n" + json.dumps(dmr()) + "\n")
    talks = msc_self_instruct.load(path)
    assert [talk.id for talk in talks] == ["valid_9#1", "valid_9#2"]
    # from 1 June 2024 9:00: 14 days and 4 hours, 3 days, nothing
    assert [session.time for session in talks[0].sessions] == [
        datetime(2024, 5, 18, 5, 0),
        datetime(2024, 5, 29, 9, 0),
        datetime(2024, 6, 1, 9, 0),
    ]
    assert [(turn.id, turn.speaker) for turn in talks[0].sessions[0].turns] == [
        ("D1:1", "Speaker 1"),
        ("D1:2", "Speaker 2"),
    ]
    question = talks[0].questions[0]
    assert (question.text, question.answer, question.asked_from, question.kind) == (
        "What do you train?",
        "Falcons.",
        3,
        "dmr",
    )


def test_dmr_turns_that_name_their_speaker_are_believed(tmp_path: Path) -> None:
    said = [{"text": "Hi.", "id": "Speaker 2"}, {"text": "Hi."}]
    talk = msc_self_instruct.load(write(tmp_path / "dmr.jsonl", [dmr(dialog=said)]))[0]
    assert [turn.speaker for turn in talk.sessions[-1].turns] == ["Speaker 2", "Speaker 2"]


def test_dmr_cleaned_answers_are_preferred(tmp_path: Path) -> None:
    path = write(tmp_path / "dmr.json", [dmr(qa=[{"question": "Which bird?", "answer": "A falcon"}])])
    assert msc_self_instruct.load(path)[0].questions[0].answer == "A falcon"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([dmr(self_instruct={"B": "x"})], "record 1: key 'A' is missing"),
        ([dmr(previous_dialogs=[{"dialog": [{}]}])], "record 1 session 1: key 'text' is missing"),
        ([dmr(previous_dialogs=[], dialog=[])], "record 1: no session with turns"),
        ([dmr(qa=7)], "'qa' should be an object"),
        ('{"a": 1}\nnot json', "line 2 is not JSON"),
        ("", "empty"),
    ],
)
def test_a_bad_dmr_file_gets_one_clear_line(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        msc_self_instruct.load(write(tmp_path / "x.jsonl", content))
    assert "\n" not in str(caught.value)


# --- MemBench -------------------------------------------------------------------------------------------------

CHOICES = {"A": "Lisbon", "B": "Porto", "C": "Riga", "D": "Lodz"}


def mem(messages: Any, steps: Any = (0,), **changes: Any) -> dict[str, Any]:
    asked = {
        "qid": 0,
        "question": "Where?",
        "answer": "Porto",
        "choices": CHOICES,
        "ground_truth": "B",
        "target_step_id": steps,
    }
    return {"tid": 7, "message_list": messages, "QA": {**asked, **changes}}


def test_membench_observation_and_participation_become_sessions_with_evidence(tmp_path: Path) -> None:
    seen = [
        {"mid": 0, "message": "Ana is in Porto.", "time": "'2024-10-01 08:00' Tuesday"},
        {"mid": 1, "message": "It rains.", "time": "'2024-10-01 09:00' Tuesday"},
    ]
    told = [
        [{"user": "I like Porto.", "agent": "Nice!", "time": "'2024-10-01 08:00' Tuesday"}],
        [{"user_message": "I moved there.", "assistant_message": "Great."}],
    ]
    path = write(
        tmp_path / "m.json",
        {"simple": {"roles": [mem(seen, [1]), mem(told, [[1, 0], [9, 0]])]}, "update": [mem(["x"])]},
    )
    first, second, third = membench.load(path)
    assert [talk.id for talk in (first, second, third)] == ["simple/roles:7#1", "simple/roles:7#2", "update:7#3"]
    assert first.questions[0].evidence == ("D1:2",)
    assert first.sessions[0].time == datetime(2024, 10, 1, 8, 0)
    # message 1 of the whole history is the pair of session 2; message 9 does not exist
    assert second.questions[0].evidence == ("D2:1", "D2:2")
    assert [session.time for session in second.sessions] == [datetime(2024, 10, 1, 8, 0), datetime(2024, 10, 2, 8, 0)]
    assert (third.questions[0].category, third.questions[0].kind) == ("knowledge_update", "update")


def test_membench_messages_that_end_in_place_and_time_date_their_session(tmp_path: Path) -> None:
    # As published: the time stands in the text, in participation files in both halves of a pair.
    seen = ["Ana moved. (place: Boston, MA; time: '2024-10-01 08:00' Tuesday)", "Noise without a time."]
    pair = {"user": "Hi. (place: Austin, TX; time'2024-10-02 09:30' Wednesday)", "agent": "Hello."}
    first, second = membench.load(write(tmp_path / "m.json", [mem(seen, 1), mem([pair], "0")]))
    assert first.sessions[0].time == datetime(2024, 10, 1, 8, 0)
    assert first.sessions[0].turns[0].text == seen[0]
    assert second.sessions[0].time == datetime(2024, 10, 2, 9, 30)
    # One step may stand without its list, as a number or as text.
    assert (first.questions[0].evidence, second.questions[0].evidence) == (("D1:2",), ("D1:1", "D1:2"))


def test_membench_answers_are_options_and_the_answerer_is_shown_all(tmp_path: Path) -> None:
    question = membench.load(write(tmp_path / "m.json", [mem(["Ana is in Porto."])]))[0].questions[0]
    assert (question.answer, question.options) == ("Porto", ("Lisbon", "Porto", "Riga", "Lodz"))
    assert question.asked == (
        "Where? Options: (a) Lisbon (b) Porto (c) Riga (d) Lodz Answer with the letter of one option."
    )
    assert question.text == "Where?"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([], "no object with 'message_list' and 'QA'"),
        ([mem(["x"], ground_truth="Z")], "ground_truth 'Z' is none of the choices A, B, C, D"),
        ([mem(["x"], "soon")], "target_step_id should be message numbers, found soon"),
        ([mem([7])], "a message should be text or an object, found an integer"),
        ([mem([{"note": "x"}])], "a message has none of 'user'"),
        ([mem([])], "no messages"),
        ([mem([["x"], "y"])], "session 2 should be a list of messages, found text"),
        ([mem([{"user": "x", "time": "soon"}])], "expected a date .*found 'soon'"),
    ],
)
def test_a_bad_membench_file_gets_one_clear_line(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        membench.load(write(tmp_path / "m.json", content))
    assert "\n" not in str(caught.value)


# --- MemoryAgentBench -----------------------------------------------------------------------------------------


def row(**changes: Any) -> dict[str, Any]:
    return {
        "context": "Nimbus is a flute.\nNimbus is a trumpet.",
        "questions": ["What is Nimbus?"],
        "answers": [["trumpet", "a trumpet"]],
        "metadata": {"source": "factconsolidation_sh_6k", "qa_pair_ids": ["p0"]},
        **changes,
    }


def test_memory_agent_bench_keeps_every_accepted_answer(tmp_path: Path) -> None:
    talk = memory_agent_bench.load(write(tmp_path / "c.jsonl", json.dumps(row())))[0]
    question = talk.questions[0]
    assert (talk.id, question.id) == ("factconsolidation_sh_6k#1", "factconsolidation_sh_6k#1:p0")
    assert (question.answer, question.alternatives, question.category) == (
        "trumpet",
        ("a trumpet",),
        "knowledge_update",
    )


def test_memory_agent_bench_reads_a_lone_question_and_the_type_of_each(tmp_path: Path) -> None:
    lone = row(questions="What is Nimbus?", answers="trumpet")
    mixed = row(
        questions=["a?", "b?"], answers=[["x"], ["y"]], metadata={"source": "s", "question_types": ["temporal", "user"]}
    )
    first, second = memory_agent_bench.load(write(tmp_path / "c.json", [lone, mixed]))
    assert (first.questions[0].answer, first.questions[0].kind) == ("trumpet", "factconsolidation_sh_6k")
    assert [question.kind for question in second.questions] == ["temporal", "user"]


def test_long_texts_are_cut_where_lines_and_sentences_end() -> None:
    assert memory_agent_bench.cut("one two\nthree four. five", most=12) == ["one two", "three four.", "five"]
    assert memory_agent_bench.cut("abcdefghij", most=4) == ["abcd", "efgh", "ij"]
    assert memory_agent_bench.cut("  ") == []


def test_ten_pieces_are_a_session(tmp_path: Path) -> None:
    text = "\n".join("x" * 1_999 for _ in range(25))
    talk = memory_agent_bench.load(write(tmp_path / "c.json", [row(context=text)]))[0]
    assert [len(session.turns) for session in talk.sessions] == [10, 10, 5]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([row(answers=[])], "row 1: 1 questions and 0 answers"),
        ([row(context=" ")], "row 1: the context is empty"),
        ([row(answers=[None])], "row 1 question 1: answers should be text or a list of texts"),
        ([{"context": "x"}], "row 1: key 'questions' is missing"),
    ],
)
def test_a_bad_memory_agent_bench_file_gets_one_clear_line(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        memory_agent_bench.load(write(tmp_path / "c.json", content))
    assert "\n" not in str(caught.value)


def test_parquet_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="write it as JSON lines first"):
        memory_agent_bench.load(tmp_path / "x.parquet")


# --- BEAM -----------------------------------------------------------------------------------------------------


def chat(folder: Path, batches: Any = None, questions: Any = None) -> Path:
    said = [
        {
            "batch_number": 1,
            "time_anchor": "March-15-2024",
            "turns": [
                [
                    {"id": 7, "role": "user", "content": "Code: cobalt. ->-> 1,17"},
                    {"id": 8, "role": "assistant", "content": "Ok."},
                ]
            ],
        },
        {"batch_number": 2, "turns": [[{"id": 9, "role": "user", "content": "Now it is teal."}]]},
    ]
    asked = {
        "abstention": [
            {"question": "My dog?", "ideal_response": "There is no information.", "rubric": ["no information"]}
        ],
        "knowledge_update": [
            {
                "question": "My code?",
                "answer": "teal",
                "rubric": ["teal"],
                "source_chat_ids": {"old": [7], "new": [9, 99]},
            }
        ],
        "instruction_following": [{"question": "Show me", "rubric": ["a", "b"], "source_chat_ids": [8]}],
    }
    write(folder / "chat.json", said if batches is None else batches)
    write(folder / "probing_questions" / "probing_questions.json", asked if questions is None else questions)
    return folder


def test_beam_batches_are_sessions_and_source_ids_are_evidence(tmp_path: Path) -> None:
    chat(tmp_path / "10")
    chat(tmp_path / "2")
    talks = beam.load(tmp_path)
    assert [talk.id for talk in talks] == ["2", "10"]
    talk = talks[0]
    assert [session.time for session in talk.sessions] == [datetime(2024, 3, 15, 12), datetime(2024, 3, 16, 12)]
    assert talk.sessions[0].turns[0].text == "Code: cobalt."  # without the generator's mark
    absent, update, follow = talk.questions
    assert (absent.category, absent.answer, absent.evidence) == ("adversarial", REFUSAL, ())
    assert (update.answer, update.evidence, update.asked_from, update.rubric) == (
        "teal",
        ("D1:1", "D2:1"),
        2,
        ("teal",),
    )
    assert (follow.answer, follow.kind) == ("a; b", "instruction_following")


def test_beam_plans_are_unwrapped_and_ids_used_twice_are_no_evidence(tmp_path: Path) -> None:
    message = {"id": 7, "role": "user", "content": "x"}
    batches = [{"plan-1": [{"turns": [[message]]}]}, {"plan-2": [{"turns": [[message]]}]}]
    asked = {"information_extraction": [{"question": "q", "answer": "a", "source_chat_ids": [7]}]}
    talk = beam.load(chat(tmp_path / "c", batches, asked))[0]
    assert (talk.id, len(talk.sessions), talk.questions[0].evidence) == ("c", 2, ())


@pytest.mark.parametrize(
    ("batches", "questions", "complaint"),
    [
        ({}, None, "expected a list of batches, found an object"),
        ([], None, "no messages"),
        ([{"turns": [[{"id": 1, "role": "user"}]]}], None, "batch 1: key 'content' is missing"),
        (None, {"riddles": []}, "ability 'riddles' is unknown"),
        (None, {"abstention": [{}]}, "abstention 1: key 'question' is missing"),
        (None, [], "expected an object of abilities"),
    ],
)
def test_a_bad_beam_folder_gets_one_clear_line(tmp_path: Path, batches: Any, questions: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        beam.load(chat(tmp_path / "c", batches, questions))
    assert "\n" not in str(caught.value)


def test_a_folder_without_chats_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder with chat\.json"):
        beam.load(tmp_path)


# --- PersonaMem -----------------------------------------------------------------------------------------------

MESSAGES = [
    {"role": "system", "content": "The user is a chef."},
    {"role": "user", "content": "User: I like tea."},
    {"role": "assistant", "content": "Assistant: Noted."},
    {"role": "system", "content": "Later."},
    {"role": "user", "content": "User: I like coffee now."},
]


def persona(folder: Path, rows: list[dict[str, str]] | None = None, contexts: Any = None) -> Path:
    base = {
        "persona_id": "1",
        "question_id": "q1",
        "question_type": "track_full_preference_evolution",
        "user_question_or_message": "What do I like?",
        "correct_answer": "(b)",
        "all_options": "['(a) tea', \"(b) coffee\"]",
        "shared_context_id": "ctx",
        "end_index_in_shared_context": "5",
    }
    folder.mkdir(exist_ok=True)
    with (folder / "questions_32k.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(base))
        writer.writeheader()
        writer.writerows([{**base, **changes} for changes in ([{}] if rows is None else rows)])
    write(folder / "shared_contexts_32k.jsonl", json.dumps({"ctx": MESSAGES} if contexts is None else contexts))
    return folder


def test_personamem_shows_nothing_said_later_and_never_the_persona(tmp_path: Path) -> None:
    rows = [{}, {"question_id": "q2", "end_index_in_shared_context": "3", "question_type": "recall_user_shared_facts"}]
    late, early = personamem.load(persona(tmp_path, rows))
    assert (late.id, early.id) == ("ctx@5", "ctx@3")
    assert [[turn.text for turn in session.turns] for session in late.sessions] == [
        ["I like tea.", "Noted."],
        ["I like coffee now."],
    ]
    assert [[turn.text for turn in session.turns] for session in early.sessions] == [["I like tea.", "Noted."]]
    assert (late.questions[0].answer, late.questions[0].options) == ("coffee", ("tea", "coffee"))
    assert (late.questions[0].category, early.questions[0].category) == ("knowledge_update", "single_hop")


def test_personamem_reads_the_other_form_of_contexts(tmp_path: Path) -> None:
    folder = persona(tmp_path, contexts={"shared_context_id": "ctx", "messages": MESSAGES})
    assert len(personamem.load(folder / "questions_32k.csv")) == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"shared_context_id": "other"}, "row 1: no context 'other'"),
        ({"end_index_in_shared_context": "x"}, "row 1: end_index_in_shared_context should be a number, found 'x'"),
        ({"end_index_in_shared_context": "1"}, "no messages before the question"),
        ({"correct_answer": "(e)"}, r"row 1: correct_answer '\(e\)' names none of 2 options"),
        ({"all_options": "tea or coffee"}, "row 1: all_options is not a list"),
        ({"all_options": "7"}, "row 1: all_options is not a list"),
    ],
)
def test_a_bad_personamem_row_gets_one_clear_line(tmp_path: Path, changes: dict[str, str], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        personamem.load(persona(tmp_path, [changes]))
    assert "\n" not in str(caught.value)


def test_personamem_questions_under_their_older_column_name_are_read(tmp_path: Path) -> None:
    folder = persona(tmp_path)
    file = folder / "questions_32k.csv"
    file.write_text(file.read_text().replace("user_question_or_message", "question", 1))
    assert personamem.load(folder)[0].questions[0].text


def test_personamem_files_that_are_missing_or_of_another_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found no questions_\*\.csv"):
        personamem.load(tmp_path)
    with pytest.raises(DataError, match="no column 'question_id'"):
        personamem.load(write(tmp_path / "questions_x.csv", "a,b\n1,2\n"))
    (persona(tmp_path / "p") / "shared_contexts_32k.jsonl").unlink()
    with pytest.raises(DataError, match=r"shared_contexts_32k\.jsonl: no such file; it lies beside the questions"):
        personamem.load(tmp_path / "p")


def test_every_benchmark_is_reached_by_name_and_picks_conversations(tmp_path: Path) -> None:
    folder = persona(tmp_path)
    assert [talk.id for talk in load("personamem", folder, conversations=["ctx@5"])] == ["ctx@5"]
    files = {
        "msc_self_instruct": write(tmp_path / "dmr.jsonl", [dmr()]),
        "membench": write(tmp_path / "m.json", [mem(["x"])]),
        "memory_agent_bench": write(tmp_path / "c.json", [row()]),
        "beam": chat(tmp_path / "chats" / "3").parent,
    }
    for source, path in files.items():
        (talk,) = load(source, path)
        assert load(source, path, conversations=[talk.id]) == [talk]
        with pytest.raises(DataError, match=f"'nobody'; it has 1: {talk.id}"):
            load(source, path, conversations=["nobody"])
    for source in ("msc_self_instruct", "membench", "memory_agent_bench", "beam", "longmemeval"):
        with pytest.raises(DataError):
            load(source, tmp_path / "nothing")
