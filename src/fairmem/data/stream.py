"""Texts as streams of chunks: what the sources of Mem-alpha (arXiv 2509.25911) share.

A stream is a conversation whose sessions are chunks of at most `MOST_TOKENS` words and marks, dressed as dialogue: the
user reads pieces out, the assistant says that it took note. Chunks are a day apart unless the pieces have dates. With
`agents.chunks_per_session = 1` a writer reads one chunk per call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from fairmem.data.chat import ASSISTANT, FIRST_DAY, USER
from fairmem.data.memory_agent_bench import cut
from fairmem.errors import DataError
from fairmem.types import Conversation, Question, Session, Turn

MOST_TOKENS = 2_048
"""Most words and marks of a chunk (Mem-alpha's limit, in model tokens there)."""
TOOK_NOTE = "I took note of it."
_MARK = re.compile(r"\w+|[^\w\s]")
_CHARACTERS = 3  # of a token, at least: a piece of so many characters fits


def marks(text: str) -> int:
    """Words and punctuation marks of `text`."""
    return sum(1 for _ in _MARK.finditer(text))


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that is read out.

    Attributes:
        key: What questions call it as their evidence.
        text: The text; one that is longer than a chunk is cut.
        time: When, if it has a date.
        speaker: Who says it.
    """

    key: str
    text: str
    time: datetime | None = None
    speaker: str = USER


@dataclass(frozen=True, slots=True)
class Stream:
    """The chunks, and the turns that each piece became."""

    sessions: tuple[Session, ...]
    turns: dict[str, tuple[str, ...]]

    def evidence(self, keys: Iterable[str]) -> tuple[str, ...]:
        """The turns of these pieces, each once; of a piece that is not there none."""
        return tuple(dict.fromkeys(turn for key in keys for turn in self.turns.get(key, ())))


def make_stream(pieces: Iterable[Piece], most: int = MOST_TOKENS) -> Stream:
    """Pack `pieces`, in order, into chunks of at most `most` tokens; a piece of another day begins a new chunk."""
    room = most - marks(TOOK_NOTE)
    groups: list[list[tuple[Piece, str]]] = []
    size, day = 0, None
    for piece in pieces:
        for text in cut(piece.text, most * _CHARACTERS):
            for part in _fitting(text, room):
                tokens = marks(part)
                if not groups or size + tokens > room or (piece.time is not None and piece.time != day):
                    groups.append([])
                    size = 0
                groups[-1].append((piece, part))
                size, day = size + tokens, piece.time or day
    sessions: list[Session] = []
    turns: dict[str, tuple[str, ...]] = {}
    for index, group in enumerate(groups, start=1):
        before = sessions[-1].time if sessions else FIRST_DAY - timedelta(days=1)
        said: list[Turn] = []
        for number, (piece, text) in enumerate(group, start=1):
            turn = Turn(f"D{index}:{number}", piece.speaker, text)
            said.append(turn)
            turns[piece.key] = (*turns.get(piece.key, ()), turn.id)
        said.append(Turn(f"D{index}:{len(said) + 1}", ASSISTANT, TOOK_NOTE))
        time = group[0][0].time or before + timedelta(days=1)
        sessions.append(Session(index, time, tuple(said)))
    return Stream(tuple(sessions), turns)


def _fitting(text: str, room: int) -> list[str]:
    """`text` in parts of at most `room` tokens; most texts are one."""
    if marks(text) <= room:
        return [text]
    half = cut(text, max(1, len(text) // 2 + 1))
    return [part for piece in half for part in _fitting(piece, room)] if len(half) > 1 else [text]


def conversation(name: str, stream: Stream, questions: Sequence[Question]) -> Conversation:
    """The stream as a conversation; everybody who speaks in it takes part."""
    speakers = dict.fromkeys(turn.speaker for session in stream.sessions for turn in session.turns)
    return Conversation(name, tuple(speakers), stream.sessions, tuple(questions))


def rechunked(talk: Conversation, most: int = MOST_TOKENS) -> Conversation:
    """`talk` with every session of more than `most` tokens cut, between turns, into several of the same time.

    A turn that is longer by itself is a session of its own. Questions hold after the new sessions as they did before.
    """
    sessions: list[Session] = []
    last: dict[int, int] = {}
    for session in talk.sessions:
        size, held = 0, list[Turn]()
        for turn in session.turns:
            tokens = marks(turn.text)
            if held and size + tokens > most:
                sessions.append(Session(len(sessions) + 1, session.time, tuple(held)))
                size, held = 0, []
            size, held = size + tokens, [*held, turn]
        sessions.append(Session(len(sessions) + 1, session.time, tuple(held)))
        last[session.index] = len(sessions)
    questions = tuple(
        replace(
            question,
            asked_from=last.get(question.asked_from, len(sessions)),
            valid_until=None if question.valid_until is None else last.get(question.valid_until, len(sessions)),
        )
        for question in talk.questions
    )
    return replace(talk, sessions=tuple(sessions), questions=questions)


def chosen(
    found: dict[str, Conversation], conversations: Sequence[str] | None, path: Path, what: str
) -> list[Conversation]:
    """Those of `found` that are asked for, in file order.

    Raises:
        DataError: nothing was found, or an unknown id.
    """
    if not found:
        raise DataError(f"{path}: no {what} in it")
    if conversations is None:
        return list(found.values())
    if missing := sorted(set(conversations) - found.keys()):
        raise DataError(f"{path}: no {what} '{missing[0]}'; it has: {', '.join(list(found)[:5])}")
    return [talk for name, talk in found.items() if name in set(conversations)]
