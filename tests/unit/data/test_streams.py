"""The loaders of Mem-alpha's sources against hand-written files in their published schemas."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fairmem.data import booksum, hotpotqa, identify, nlu, perltqa, pubmed_rct, squad, trec
from fairmem.data.base import DATASETS
from fairmem.data.contamination import overlap, refuse_overlap
from fairmem.data.stream import MOST_TOKENS, Piece, conversation, make_stream, marks, rechunked
from fairmem.errors import DataError
from fairmem.types import Conversation, Question, Session, Turn


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Lighthouse",
            "paragraphs": [
                {
                    "context": "The lighthouse of Orlo was built in 1874 by Ida Vell.",
                    "qas": [
                        {"id": "a", "question": "Who built it?", "answers": [{"text": "Ida Vell", "answer_start": 44}]},
                        {"id": "b", "question": "How tall is it?", "is_impossible": True, "answers": []},
                    ],
                },
                {
                    "context": "Its lamp burned oil until 1931.",
                    "qas": [
                        {
                            "id": "c",
                            "question": "What did the lamp burn?",
                            "answers": [{"text": "oil", "answer_start": 16}, {"text": "burned oil", "answer_start": 9}],
                        }
                    ],
                },
            ],
        }
    ],
}
HOTPOT = [
    {
        "_id": "h1",
        "question": "In which country was the painter of Red Barn born?",
        "answer": "Norway",
        "supporting_facts": [["Red Barn", 0], ["Ida Vell", 1]],
        "context": [
            ["Red Barn", ["Red Barn is a painting by Ida Vell."]],
            ["Ida Vell", ["Ida Vell painted. ", "She was born in Norway."]],
            ["Oslo", ["Oslo is a city."]],
        ],
    }
]
PERLT_MEMORY = {
    "Ida Vell": {
        "profile": {"Age": 28},
        "social_relationship": {
            "1_0": {"Supporting Characters": "Per", "Description": "They row together.", "Relationship": "brother"}
        },
        "events": {"1_0_0": {"content": "Ida and Per rowed to Orlo.", "Creation Time": "May 12, 2022"}},
        "dialogues": {"1_0_0#0": {"contents": {"2022-05-13": ["Ida: My arms hurt.", "AI: Rest."]}}},
    }
}
PERLT_QA = [
    {
        "Ida Vell": {
            "profile": [
                {
                    "Question": "How old is Ida?",
                    "Answer": "Ida is 28.",
                    "Reference Memory": "Age",
                    "Memory Anchors": [{"28": [-1, -1]}],
                }
            ],
            "events": [
                {
                    "1_0_0": [
                        {
                            "Question": "Who rowed, and where to?",
                            "Answer": "Ida and Per rowed to Orlo.",
                            "Reference Memory": "['1_0_0']",
                            "Memory Anchors": [{"Per": [8, 11]}, {"Orlo": [21, 25]}],
                        }
                    ]
                }
            ],
        }
    }
]
TREC = "NUM:date When was Orlo lighthouse built ?\nHUM:ind Who painted the Red Barn ?\nNUM:count How many oars ?\n"
RCT = (
    "###24293578\nOBJECTIVE\tTo see whether rowing helps arms .\nRESULTS\tIt did help in most cases .\n"
    "METHODS\tWe rowed .\n"
)
NLU = "text,category\nwake me at six tomorrow morning,alarm_set\nplay some jazz,music_play\nset an alarm,alarm_set\n"
CLINC = {
    "train": [["what is my balance", "balance"], ["move money to savings", "transfer"], ["how much is left", "balance"]]
}
BOOK = {"chapter": "Ida rowed out at dawn. Per waited.", "summary_text": "At dawn Ida rows to Orlo while Per waits."}


def test_squad_paragraphs_are_pieces_and_questions_without_an_answer_are_left_out(tmp_path: Path) -> None:
    (talk,) = squad.load(write(tmp_path / "s.json", SQUAD))
    assert talk.id == "squad:Lighthouse" and talk.speakers == ("User", "Assistant")
    first, second = talk.questions
    assert (first.answer, first.evidence, first.kind) == ("Ida Vell", ("D1:1",), "squad")
    assert (second.answer, second.alternatives, second.evidence) == ("oil", ("burned oil",), ("D1:2",))


def test_hotpotqa_evidence_are_the_paragraphs_with_supporting_facts(tmp_path: Path) -> None:
    (talk,) = hotpotqa.load(write(tmp_path / "h.json", HOTPOT))
    assert [turn.text for turn in talk.sessions[0].turns][:1] == ["Red Barn: Red Barn is a painting by Ida Vell."]
    assert (talk.questions[0].category, talk.questions[0].evidence) == ("multi_hop", ("D1:1", "D1:2"))


def test_perltqa_gold_are_the_anchors_and_evidence_is_the_memory_referred_to(tmp_path: Path) -> None:
    write(tmp_path / "p" / "perltmem_en.json", PERLT_MEMORY)
    write(tmp_path / "p" / "perltqa_en.json", PERLT_QA)
    (talk,) = perltqa.load(tmp_path / "p")
    texts = {turn.id: turn.text for session in talk.sessions for turn in session.turns}
    age, rowed = talk.questions
    assert (age.answer, [texts[t] for t in age.evidence]) == ("28", ["Ida Vell, Age: 28"])
    assert rowed.answer == "Per; Orlo" and rowed.alternatives == ("Ida and Per rowed to Orlo.",)
    assert [texts[t] for t in rowed.evidence] == ["May 12, 2022: Ida and Per rowed to Orlo."]
    assert any("My arms hurt." in text for text in texts.values())


@pytest.mark.parametrize(
    ("name", "file", "content", "taught", "question", "gold"),
    [
        ("trec", "t.label", TREC, '"When was Orlo lighthouse built ?" has label 1.', "How many oars ?", "1"),
        ("pubmed_rct", "p.txt", RCT, '"To see whether rowing helps arms ." has label 1.', "We rowed .", "0"),
        ("nlu", "n.csv", NLU, '"wake me at six tomorrow morning" has label 0.', "set an alarm", "0"),
        ("nlu", "c.json", CLINC, '"what is my balance" has label 0.', "how much is left", "0"),
    ],
)
def test_labels_are_numbers_by_name_and_what_is_asked_was_not_taught(
    tmp_path: Path, name: str, file: str, content: Any, taught: str, question: str, gold: str
) -> None:
    path = write(tmp_path / file, content)
    (talk,) = {"trec": trec, "pubmed_rct": pubmed_rct, "nlu": nlu}[name].load(path)
    assert (talk.id, talk.sessions[0].turns[0].text) == (f"{name}#1", taught)
    (asked,) = talk.questions
    assert question in asked.text and (asked.answer, asked.kind) == (gold, name)
    assert all(question not in turn.text for turn in talk.sessions[0].turns)


def test_booksum_is_asked_for_the_keywords_of_its_summary(tmp_path: Path) -> None:
    (talk,) = booksum.load(write(tmp_path / "b.jsonl", json.dumps(BOOK)))
    assert set(talk.questions[0].answer.split(", ")) == {"Ida", "Orlo", "Per"}
    (own,) = booksum.load(write(tmp_path / "c.jsonl", json.dumps({**BOOK, "keywords": "dawn, oars"})))
    assert own.questions[0].answer == "dawn, oars"


def test_every_source_is_in_the_table_and_known_by_its_shape(tmp_path: Path) -> None:
    write(tmp_path / "p" / "perltmem_en.json", PERLT_MEMORY)
    write(tmp_path / "p" / "perltqa_en.json", PERLT_QA)
    files = {
        "squad": write(tmp_path / "1", SQUAD),
        "hotpotqa": write(tmp_path / "2", HOTPOT),
        "trec": write(tmp_path / "3", TREC),
        "pubmed_rct": write(tmp_path / "4", RCT),
        "booksum": write(tmp_path / "5", json.dumps(BOOK)),
        "perltqa": tmp_path / "p",
        "nlu": write(tmp_path / "6.csv", NLU),
    }
    assert all(identify(path).name == name and DATASETS[name].stream for name, path in files.items())
    assert identify(write(tmp_path / "7", CLINC)).name == "nlu"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("squad", {"data": [{"title": "x", "paragraphs": [{"qas": []}]}]}),
        ("squad", {"data": []}),
        ("hotpotqa", [{**HOTPOT[0], "context": [["a"]]}]),
        ("hotpotqa", [{**HOTPOT[0], "answer": 3}]),
        ("trec", "no label here\n"),
        ("trec", "NUM:date only one\n"),
        ("pubmed_rct", "###1\nno tab\n"),
        ("nlu", "a,b\n1,2\n"),
        ("nlu", "text,intent\nhello,\n"),
        ("nlu", '{"test": 1}'),
        ("booksum", '{"chapter": "x"}'),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line_that_names_it(tmp_path: Path, name: str, content: Any) -> None:
    path = write(tmp_path / "bad", content)
    with pytest.raises(DataError) as error:
        DATASETS[name].loader(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_or_folder_says_where_to_get_it(tmp_path: Path) -> None:
    for name in ("squad", "hotpotqa", "perltqa", "nlu", "trec", "pubmed_rct", "booksum"):
        with pytest.raises(DataError, match="http"):
            DATASETS[name].loader(tmp_path / "none")


def test_no_chunk_exceeds_the_limit_and_no_word_is_lost() -> None:
    text = " ".join(f"word{n}." for n in range(5_000))
    stream = make_stream([Piece("a", text), Piece("b", "A short one.")])
    sizes = [sum(marks(turn.text) for turn in session.turns) for session in stream.sessions]
    assert max(sizes) <= MOST_TOKENS and len(sizes) > 4
    said = " ".join(turn.text for s in stream.sessions for turn in s.turns if turn.speaker == "User")
    assert said == f"{text} A short one."
    assert stream.evidence(["b"]) == (stream.sessions[-1].turns[-2].id,)


def _talk(name: str, *texts: str) -> Conversation:
    return conversation(name, make_stream(Piece(str(at), text) for at, text in enumerate(texts)), ())


def test_shared_originals_are_found_however_they_were_cut() -> None:
    original = " ".join(f"w{n}" for n in range(200))
    train = _talk("train", f"Before. {original}")
    assert overlap([train], [_talk("test", "Other words altogether here.", original[30:])])[0][:2] == ("train", "test")
    with pytest.raises(DataError, match="share texts"):
        refuse_overlap(
            [_talk("a", '"When was Orlo built ?" has label 1.')], [_talk("b", "When was Orlo built ?\nlabel: 3")]
        )
    refuse_overlap([train], [_talk("clean", "Yes.", "Nothing here was seen in training, not a line of it.")])


def test_a_session_that_is_too_long_becomes_several_and_its_questions_hold_after_the_last() -> None:
    day = datetime(2023, 1, 2)
    turns = tuple(Turn(f"D1:{n}", "User", "one two three four.") for n in range(1, 6))  # 5 tokens each
    late = Session(2, day, (Turn("D2:1", "User", "one."),))
    question = Question("q", "?", "x", "single_hop", ("D1:2",), 1, valid_until=1)
    talk = Conversation("c", ("User",), (Session(1, day, turns), late), (question,))
    cut = rechunked(talk, most=10)
    assert [len(session.turns) for session in cut.sessions] == [2, 2, 1, 1]
    assert [session.index for session in cut.sessions] == [1, 2, 3, 4]
    assert (cut.questions[0].asked_from, cut.questions[0].valid_until) == (3, 3)
    assert rechunked(talk) == talk


def test_a_dated_piece_begins_a_chunk_of_its_own() -> None:
    stream = make_stream([Piece("a", "One.", datetime(2023, 1, 2)), Piece("b", "Two.", datetime(2023, 1, 3))])
    assert [session.time.day for session in stream.sessions] == [2, 3]
    assert stream.sessions[0].turns[0] == Turn("D1:1", "User", "One.")
