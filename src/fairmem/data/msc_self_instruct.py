"""MSC-Self-Instruct, the deep memory retrieval (DMR) task of MemGPT (Packer et al., 2023, arXiv 2310.08560).

One line is one conversation of Multi-Session Chat: `previous_dialogs` with how long ago each was (`time_back`), the
newest `dialog`, and one question about the earlier sessions, made by a model: `self_instruct` with `B`, the question,
and `A`, its answer; cleaned versions have `qa` with `question` and `answer`. Speakers take turns, "Speaker 1" first,
where a turn does not name its own (`id`).

Dates count back from a fixed day. The file names no evidence turns. Its schema was checked against the keys that public
notes on the file list (500 lines, `msc_self_instruct.jsonl`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from fairmem.data.fields import Record, chosen, get, get_or, objects, read_records, text_of
from fairmem.errors import DataError
from fairmem.types import Conversation, Question, Session, Turn

LAST_SESSION = datetime(2024, 6, 1, 9, 0)
"""Time of the newest session."""
SPEAKERS = ("Speaker 1", "Speaker 2")

_PART = re.compile(r"(\d+) (minute|hour|day|week)s?")
_HINT = "MSC-Self-Instruct is at https://huggingface.co/datasets/MemGPT/MSC-Self-Instruct"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The conversations of the file at `path` (JSON lines, or one JSON list), in file order.

    Raises:
        DataError: no such file, a record that is not of the schema (named by number), or an unknown id.
    """
    found: dict[str, Conversation] = {}
    for number, record in enumerate(read_records(path, _HINT), start=1):
        talk = _conversation(record, number, f"{path}: record {number}")
        found[talk.id] = talk
    return list(chosen(found, conversations, path, "conversation").values())


def _conversation(record: Record, number: int, place: str) -> Conversation:
    metadata = get_or(record, "metadata", dict, {}, place)
    name = f"{get_or(metadata, 'initial_data_id', str, 'dmr', place)}#{number}"
    sessions: list[Session] = []
    last = LAST_SESSION
    talks = [
        (objects(old, "dialog", place), old.get("time_back")) for old in objects(record, "previous_dialogs", place)
    ]
    talks.append((objects(record, "dialog", place) if "dialog" in record else [], None))
    for index, (talk, back) in enumerate(talks, start=1):
        turns = tuple(
            Turn(f"D{index}:{n}", _speaker(turn, n), get(turn, "text", str, f"{place} session {index}"))
            for n, turn in enumerate(talk, start=1)
        )
        if turns:
            sessions.append(Session(index, LAST_SESSION - _back(back, len(talks) - index), turns))
    if not sessions:
        raise DataError(f"{place}: no session with turns")
    sessions.sort(key=lambda session: session.time)
    sessions = [Session(i, s.time, tuple(_moved(t, i) for t in s.turns)) for i, s in enumerate(sessions, start=1)]
    last = sessions[-1].index
    question, answer = _question(record, place)
    asked = Question(f"{name}:q1", question, answer, "single_hop", (), last, kind="dmr")
    return Conversation(name, SPEAKERS, tuple(sessions), (asked,))


def _speaker(turn: Record, number: int) -> str:
    return turn["id"] if turn.get("id") in SPEAKERS else SPEAKERS[(number - 1) % 2]


def _moved(turn: Turn, session: int) -> Turn:
    return Turn(f"D{session}:{turn.id.partition(':')[2]}", turn.speaker, turn.text)


def _question(record: Record, place: str) -> tuple[str, str]:
    if "qa" in record:
        pair: Any = record["qa"]
        pair = cast("list[Any]", pair)[0] if isinstance(pair, list) and pair else pair
        if not isinstance(pair, dict):
            raise DataError(f"{place}: key 'qa' should be an object with 'question' and 'answer'")
        return get(cast("Record", pair), "question", str, place), text_of(cast("Record", pair), "answer", place)
    made = get(record, "self_instruct", dict, place)
    return get(made, "B", str, place), text_of(made, "A", place)


def _back(stated: object, sessions_ago: int) -> timedelta:
    """How long ago, from words such as "14 days 4 hours ago"; a week per session where nothing is said."""
    parts = _PART.findall(stated) if isinstance(stated, str) else []
    if not parts:
        return timedelta(weeks=sessions_ago)
    return sum((timedelta(**{f"{unit}s": int(count)}) for count, unit in parts), timedelta())


def looks_like(content: Any) -> bool:
    """Whether a parsed record has the shape of this dataset."""
    return (
        isinstance(content, dict) and "previous_dialogs" in content and ("self_instruct" in content or "qa" in content)
    )
