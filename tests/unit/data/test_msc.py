"""Multi-Session Chat: sessions of an episode joined over files, facts, synthetic dates."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fairmem.data import load, msc
from fairmem.errors import DataError
from fairmem.types import Delta, Session, Turn

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data" / "msc"


def _line(name: str, *utterances: dict[str, Any]) -> str:
    return json.dumps({"initial_data_id": name, "dialog": list(utterances), "newfact": "x"})


def _folder(tmp_path: Path) -> Path:
    """Two episodes in session 1, of which one goes on; the gap to its third session is not stated."""
    first = [
        _line(
            "valid_0",
            {"id": "bot_0", "text": "Hi!", "agg_persona_list": []},
            {
                "id": "bot_1",
                "text": "I love that hat book.",
                # the released text is cut at "Dr." and turned round; the annotator's own is whole
                "persona_text": "Seuss's books. I like Dr. I read.",
                "problem_data": {"persona": "I like Dr. Seuss's books. I read.", "prompt_time": "6 hours"},
            },
        ),
        _line("valid_7", {"id": "bot_0", "text": "Hello.", "persona_text": "I am polite."}),
    ]
    second = [_line("valid_0", {"id": "bot_1", "text": "Back again."}), ""]
    third = [_line("valid_0", {"id": "bot_0", "text": "Me too.", "problem_data": {"prompt_time": "3 days"}})]
    for number, lines in enumerate((first, second, third), start=1):
        (tmp_path / f"session_{number}_valid.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "session_1_train.jsonl").write_text("not read\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("not read\n", encoding="utf-8")
    return tmp_path


def test_an_episode_is_joined_over_the_files_of_its_sessions(tmp_path: Path) -> None:
    long, short = msc.load(_folder(tmp_path))
    assert (long.id, long.speakers, long.questions) == ("valid_0", ("Speaker 1", "Speaker 2"), ())
    start = datetime(2024, 1, 1, 9, 0)
    assert long.sessions == (
        Session(1, start, (Turn("D1:1", "Speaker 1", "Hi!"), Turn("D1:2", "Speaker 2", "I love that hat book."))),
        # 6 hours as stated at the end of session 1
        Session(2, datetime(2024, 1, 1, 15, 0), (Turn("D2:1", "Speaker 2", "Back again."),)),
        # no gap stated at the end of session 2: seven days
        Session(3, datetime(2024, 1, 8, 15, 0), (Turn("D3:1", "Speaker 1", "Me too."),)),
    )
    assert [session.index for session in short.sessions] == [1]


def test_each_annotated_sentence_is_a_new_fact_of_its_turn(tmp_path: Path) -> None:
    long, short = msc.load(_folder(tmp_path))
    assert long.deltas == (
        Delta(1, "D1:2", "new", "Speaker 2", "I like Dr. Seuss's books."),
        Delta(1, "D1:2", "new", "Speaker 2", "I read."),
    )
    assert short.deltas == (Delta(1, "D1:1", "new", "Speaker 1", "I am polite."),)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("I have two jobs.", ["I have two jobs."]),
        ("I'm 25. i like it! Do you?", ["I'm 25.", "i like it!", "Do you?"]),
        ("I met Mr. Fox. I live in St. Paul.", ["I met Mr. Fox.", "I live in St. Paul."]),
        ("I live in the U.S. Army base.", ["I live in the U.S. Army base."]),
        ("I like J. R. Tolkien. I read.", ["I like J. R. Tolkien.", "I read."]),
        ("no full stop", ["no full stop"]),
        ("  ", []),
    ],
)
def test_titles_and_initials_do_not_end_a_sentence(text: str, sentences: list[str]) -> None:
    assert msc.split_sentences(text) == sentences


def test_episodes_are_picked_by_id(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    assert [c.id for c in load("msc", folder, conversations=["valid_7"])] == ["valid_7"]
    with pytest.raises(DataError, match="no episode 'valid_9'; it has 2: valid_0, "):
        msc.load(folder, ["valid_9"])


def test_one_file_gives_conversations_of_that_session(tmp_path: Path) -> None:
    (conversation,) = msc.load(_folder(tmp_path) / "session_2_valid.jsonl")
    assert [session.index for session in conversation.sessions] == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1 is not JSON"),
        ("\n[]", "line 2: expected an object, found a list"),
        ('{"dialog": []}', "line 1: key 'initial_data_id' is missing"),
        ('{"initial_data_id": "a"}', "line 1: key 'dialog' is missing"),
        (_line("a") + "\n" + _line("a"), "line 2: episode 'a' is already in this file"),
        (_line("a", {"id": "bot_2", "text": ""}), "turn D1:1: key 'id' should be bot_0 or bot_1, found 'bot_2'"),
        (_line("a", {"id": "bot_0"}), "episode 'a' turn D1:1: key 'text' is missing"),
    ],
)
def test_a_line_of_another_schema_is_named_by_number_or_episode(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "session_1_valid.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        msc.load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_without_the_files_of_a_split_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file session_1_test\.jsonl here"):
        msc.load(_folder(tmp_path), split="test")
    with pytest.raises(DataError, match=r"no such file; see https://parl\.ai/projects/msc"):
        msc.load(tmp_path / "session_9_valid.jsonl")


def test_the_real_validation_set_has_500_episodes_of_four_sessions() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"shared data folder absent: {SHARED}")
    conversations = msc.load(SHARED)
    assert len(conversations) == 500
    assert {len(conversation.sessions) for conversation in conversations} == {4}
    # utterances of the four files: 7,768 + 5,897 + 5,890 + 5,904
    assert sum(len(s.turns) for c in conversations for s in c.sessions) == 25_459
    # the longest gap between two sessions that the collectors stated is 7 days
    gaps = [b.time - a.time for c in conversations for a, b in zip(c.sessions, c.sessions[1:], strict=False)]
    assert (min(gaps), max(gaps)) == (timedelta(hours=1), timedelta(days=7))
    facts = {delta.content for c in conversations for delta in c.deltas}
    assert "I like Dr. Seuss's Old Hat New Hat book." in facts
