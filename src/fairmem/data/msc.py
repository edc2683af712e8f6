"""Multi-Session Chat (Xu et al., 2022, arXiv 2107.07567), in its PersonaSummary release.

Files are `session_K_SPLIT.jsonl` with one episode per line; the lines of one episode in the files of successive
sessions share an `initial_data_id`. One episode becomes one `Conversation` between "Speaker 1" (`bot_0`) and
"Speaker 2" (`bot_1`), with turn ids as in LoCoMo (`D2:5` is turn 5 of session 2) and no questions.

Gold facts: where annotators wrote what an utterance says about its speaker (`persona_text`), each sentence of
it becomes a `Delta` of kind `new`, in the first person as written; nothing says whether a later fact repeats or
changes an earlier one. The sentences are read from `problem_data.persona`, the annotator's own text, where it is
there: `persona_text` is a re-ordered form of it that was cut at every full stop ("Seuss's Old Hat New Hat book. I
like Dr.").

Dates are synthetic. The first session is at `FIRST_SESSION`; each later one follows after the gap that the last
turn of the session before it states (`problem_data.prompt_time`, such as "6 hours" or "3 days"), or after
`DEFAULT_GAP` where none is stated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from fairmem.data.fields import Record, chosen, get, get_or, kind_of, objects, read_text
from fairmem.errors import DataError
from fairmem.types import Conversation, Delta, Session, Turn

FIRST_SESSION = datetime(2024, 1, 1, 9, 0)
"""Time given to the first session of every episode."""
DEFAULT_GAP = timedelta(days=7)
"""Time between two sessions where the file states none: the longest gap that occurs in MSC."""
SPEAKERS = {"bot_0": "Speaker 1", "bot_1": "Speaker 2"}
"""Id of a speaker in the files -> the name MSC's authors use."""

_FILE = re.compile(r"session_(\d+)_(\w+)\.jsonl")
_GAP = re.compile(r"(\d+) (hour|day|week)s?")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
# A full stop after these, or after a single capital letter, does not end a sentence.
_ABBREVIATION = re.compile(r"(?:^|[\s.])(?:Dr|Mr|Mrs|Ms|St|Mt|Jr|Sr|vs|[A-Z])\.$")


def load(path: Path, conversations: Sequence[str] | None = None, split: str = "valid") -> list[Conversation]:
    """The episodes of MSC at `path`, in the order of the first session's file.

    Args:
        path: A folder with `session_1_SPLIT.jsonl`, `session_2_SPLIT.jsonl`, ...; or one such file, which gives
            conversations of that one session.
        conversations: Episode ids to keep, such as `["valid_0"]`; None keeps all.
        split: Which files of a folder to read.

    Raises:
        DataError: no such file, a line that is not of the schema (named by number), or an unknown episode id.
    """
    episodes: dict[str, dict[int, Record]] = {}
    for number, file in _files(path, split):
        for name, record in _lines(file).items():
            episodes.setdefault(name, {})[number] = record
    episodes = chosen(episodes, conversations, path, "episode")
    return [_conversation(name, sessions, f"{path}: episode '{name}'") for name, sessions in episodes.items()]


def _files(path: Path, split: str) -> list[tuple[int, Path]]:
    """(session number, file), ascending."""
    if not path.is_dir():
        match = _FILE.fullmatch(path.name)
        return [(int(match[1]) if match else 1, path)]
    matches = [(match, file) for file in path.iterdir() if (match := _FILE.fullmatch(file.name))]
    found = sorted((int(match[1]), file) for match, file in matches if match[2] == split)
    if not found:
        raise DataError(
            f"{path}: no file session_1_{split}.jsonl here; expected the folder of MSC's PersonaSummary files"
        )
    return found


def _lines(file: Path) -> dict[str, Record]:
    """Episode id -> its line of the file."""
    records: dict[str, Record] = {}
    text = read_text(file, "see https://parl.ai/projects/msc")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{file}: line {number}"
        try:
            record: Any = json.loads(line)
        except ValueError as error:
            raise DataError(f"{place} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{place}: expected an object, found {kind_of(record)}")
        name = get(cast("Record", record), "initial_data_id", str, place)
        if name in records:
            raise DataError(f"{place}: episode '{name}' is already in this file")
        objects(cast("Record", record), "dialog", place)
        records[name] = cast("Record", record)
    return records


def _conversation(name: str, records: dict[int, Record], place: str) -> Conversation:
    sessions: list[Session] = []
    deltas: list[Delta] = []
    time = FIRST_SESSION
    for number in sorted(records):
        turns: list[Turn] = []
        gap = DEFAULT_GAP
        for position, utterance in enumerate(objects(records[number], "dialog", place), start=1):
            turn = _turn(utterance, f"D{number}:{position}", place)
            turns.append(turn)
            deltas += [Delta(number, turn.id, "new", turn.speaker, fact) for fact in _facts(utterance, place)]
            gap = _gap(utterance, gap, place)
        if turns:
            sessions.append(Session(number, time, tuple(turns)))
        time += gap
    return Conversation(name, tuple(SPEAKERS.values()), tuple(sessions), deltas=tuple(deltas))


def _turn(utterance: Record, identity: str, place: str) -> Turn:
    place = f"{place} turn {identity}"
    speaker = get(utterance, "id", str, place)
    if speaker not in SPEAKERS:
        raise DataError(f"{place}: key 'id' should be {' or '.join(SPEAKERS)}, found '{speaker}'")
    return Turn(identity, SPEAKERS[speaker], get(utterance, "text", str, place))


def _facts(utterance: Record, place: str) -> list[str]:
    if "persona_text" not in utterance:
        return []
    annotation = get_or(utterance, "problem_data", dict, {}, place)
    text = get_or(annotation, "persona", str, get(utterance, "persona_text", str, place), place)
    return split_sentences(text)


def split_sentences(text: str) -> list[str]:
    """The sentences of an annotation; titles ("Dr."), initials and "U.S." do not end one."""
    sentences: list[str] = []
    for piece in _SENTENCE_END.split(text.strip()):
        if sentences and _ABBREVIATION.search(sentences[-1]):
            sentences[-1] += f" {piece}"
        elif piece:
            sentences.append(piece)
    return sentences


def _gap(utterance: Record, default: timedelta, place: str) -> timedelta:
    stated = get_or(get_or(utterance, "problem_data", dict, {}, place), "prompt_time", str, "", place)
    match = _GAP.fullmatch(stated)
    return timedelta(**{f"{match[2]}s": int(match[1])}) if match else default
