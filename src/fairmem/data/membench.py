"""MemBench (Tan et al., 2025, arXiv 2506.21605): short histories with one multiple-choice question each.

A file nests kinds of question in any depth; every object with `message_list` and `QA` is one conversation. Messages
are texts that the user sees (observation), or pairs of user and assistant messages (participation), in one list or in
one list per session. `tid` repeats within a file (12 of 280 items in one circulating sample), so ids carry the
position too.

Gold answer is the option that `ground_truth` names. `target_step_id` counts messages from 0 over the whole history, as
a number or as [message, session]; steps that do not exist are left out. Published messages end in `(place: Boston, MA;
time: '2024-10-01 08:00' Tuesday)`, which stays in the text and dates the session.

Checked against the benchmark's own environment and its scripts that make the data (repository zjxx/Membench, a copy of
the authors' code) and the messages that public adapters of it quote; the data itself is on a drive, not in a
repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from fairmem.data.chat import ASSISTANT, USER, dated, optional_text, session_of
from fairmem.data.fields import Record, chosen, get, get_or, kind_of, read_json
from fairmem.errors import DataError
from fairmem.types import Conversation, Question, Session, Turn

_STATED = re.compile(r"\(place: [^()]*?; time:? ?('\d[^()]*)\)\s*$")
_HINT = "MemBench is at https://github.com/import-myself/Membench"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The items of the MemBench file at `path`, in file order.

    Raises:
        DataError: no such file, no item in it, an item that is not of the schema (named), or an unknown id.
    """
    found: dict[str, Conversation] = {}
    for number, (kind, item) in enumerate(_items(read_json(path, _HINT), ()), start=1):
        name = f"{'/'.join(kind) or 'item'}:{item.get('tid', '')}#{number}"
        found[name] = _conversation(name, kind, item, f"{path}: item {number} ({name})")
    if not found:
        raise DataError(f"{path}: no object with 'message_list' and 'QA'; expected a file of MemBench")
    return list(chosen(found, conversations, path, "item").values())


def _items(content: Any, kind: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Record]]:
    if isinstance(content, dict):
        found = cast("Record", content)
        if "message_list" in found and "QA" in found:
            yield kind, found
        else:
            for key, part in found.items():
                yield from _items(part, (*kind, key))
    elif isinstance(content, list):
        for part in cast("list[Any]", content):
            yield from _items(part, kind)


def _conversation(name: str, kind: tuple[str, ...], item: Record, place: str) -> Conversation:
    talks = get(item, "message_list", list, place)
    nested = bool(talks) and isinstance(talks[0], list)
    sessions: list[Session] = []
    steps: dict[int, tuple[str, ...]] = {}
    step, time = 0, None
    for index, talk in enumerate(talks if nested else [talks], start=1):
        if not isinstance(talk, list):
            raise DataError(f"{place}: session {index} should be a list of messages, found {kind_of(talk)}")
        turns: list[Turn] = []
        started: datetime | None = None
        for message in cast("list[Any]", talk):
            added, stated = _message(message, index, len(turns), place)
            turns += added
            steps[step] = tuple(turn.id for turn in added)
            started = started or (dated(index, stated, place) if stated else None)
            step += 1
        time = started or dated(index, None, place, time)
        if turns:
            sessions.append(Session(index, time, tuple(turns)))
    if not sessions:
        raise DataError(f"{place}: no messages")
    question = _question(name, kind, get(item, "QA", dict, place), steps, sessions, place)
    speakers = dict.fromkeys([USER, *(turn.speaker for session in sessions for turn in session.turns)])
    return Conversation(name, tuple(speakers), tuple(sessions), (question,))


def _message(message: Any, session: int, count: int, place: str) -> tuple[list[Turn], str]:
    """(turns of one message, the time it states)."""
    if isinstance(message, str):
        return [Turn(f"D{session}:{count + 1}", USER, message)], _stated(message)
    if not isinstance(message, dict):
        raise DataError(f"{place}: a message should be text or an object, found {kind_of(message)}")
    found = cast("Record", message)
    said = (
        (USER, optional_text(found, "user", "user_message", "message", place=place)),
        (ASSISTANT, optional_text(found, "assistant", "agent", "assistant_message", place=place)),
    )
    turns = [Turn(f"D{session}:{count + n}", who, text) for n, (who, text) in enumerate(said, start=1) if text]
    if not turns:
        raise DataError(f"{place}: a message has none of 'user', 'user_message', 'message', 'assistant', 'agent'")
    return turns, optional_text(found, "time", place=place) or _stated(turns[0].text)


def _stated(text: str) -> str:
    """The time that a message ends in, or ""."""
    match = _STATED.search(text)
    return match[1] if match else ""


def _steps(target: Any, place: str) -> list[int]:
    """The message numbers of `target_step_id`: a number, its text, or a list of numbers or of [message, session]."""
    if target is None:
        return []
    listed = cast("list[Any]", target) if isinstance(target, list) else [target]
    firsts: list[Any] = [cast("list[Any]", part)[0] if isinstance(part, list) and part else part for part in listed]
    try:
        return [int(number) for number in firsts]
    except (TypeError, ValueError) as error:
        raise DataError(f"{place}: target_step_id should be message numbers, found {str(target)[:60]}") from error


def _question(
    name: str,
    kind: tuple[str, ...],
    asked: Record,
    steps: dict[int, tuple[str, ...]],
    sessions: Sequence[Session],
    place: str,
) -> Question:
    choices = get(asked, "choices", dict, place)
    options = tuple(str(option) for option in choices.values())
    truth = get_or(asked, "ground_truth", str, get_or(asked, "answer", str, "", place), place)
    if truth not in choices:
        raise DataError(f"{place}: ground_truth '{truth}' is none of the choices {', '.join(choices)}")
    numbers = _steps(asked.get("target_step_id"), place)
    evidence = tuple(dict.fromkeys(turn for n in numbers for turn in steps.get(n, ())))
    last = max((session_of(sessions, turn) or 0 for turn in evidence), default=sessions[-1].index)
    return Question(
        id=f"{name}:q1",
        text=get(asked, "question", str, place),
        answer=str(choices[truth]),
        category="knowledge_update"
        if "update" in "/".join(kind)
        else "multi_hop"
        if len(evidence) > 1
        else "single_hop",
        evidence=evidence,
        asked_from=last,
        kind="/".join(kind),
        options=options,
    )


def looks_like(content: Any) -> bool:
    """Whether parsed JSON has the shape of this dataset."""
    return next(_items(content, ()), None) is not None
