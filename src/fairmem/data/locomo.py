"""LoCoMo (Maharana et al., 2024, arXiv 2402.17753): read its JSON, and write any conversation in its schema.

What the files hold that a loader can trip over, and what happens to it here:

- session dates without turns: not a session; the others keep their numbers (`D3:2` stays in session 3);
- malformed evidence ids: repaired where only one reading is possible (`D8:6; D9:17` is two ids, `D30:05` is
  `D30:5`, `D:11:26` is `D11:26`), else dropped, as are ids of turns that do not exist; `load_with_notes` says which;
- integer answers: become text;
- category 5 (adversarial): all but two items have no `answer`, only the wrong one a system should not give;
  their gold answer is `REFUSAL`. The two with an `answer` ("No") keep it.

Categories are 1 multi-hop, 2 temporal, 3 open-domain, 4 single-hop, 5 adversarial, as in the paper; several published
loaders have 1, 3 and 4 the wrong way round. Questions have no ids: they get `CONVERSATION:qN`, N counting
from 1 in file order. Event summaries, observations and image links are not read.

What the schema has no place for is written under extra keys that start with `fairmem_` and that other readers
ignore, each only where this loader would otherwise derive another value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from fairmem.data.base import REFUSAL
from fairmem.data.dates import format_time, parse_time
from fairmem.data.fields import Record, chosen, get, get_or, kind_of, objects, read_json
from fairmem.errors import DataError
from fairmem.replace import replace_text
from fairmem.types import CATEGORIES, Category, Conversation, Delta, Question, Session, Turn

_SESSION = re.compile(r"session_(\d+)")
_LISTS = ("options", "alternatives", "rubric")
_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The conversations of the LoCoMo file at `path`, in file order.

    Args:
        path: A JSON file in LoCoMo's schema, such as `locomo10.json`.
        conversations: Ids to keep, such as `["conv-44"]`; None keeps all.

    Raises:
        DataError: no such file, not JSON, not LoCoMo's schema (says which key of which conversation), or an
            id in `conversations` that the file does not have.
    """
    return load_with_notes(path, conversations)[0]


def load_with_notes(path: Path, conversations: Sequence[str] | None = None) -> tuple[list[Conversation], list[str]]:
    """Like `load`, with one line for every evidence id that was repaired or dropped."""
    samples = _samples(path)
    samples = chosen(samples, conversations, path, "conversation")
    notes: list[str] = []
    return [_conversation(name, sample, f"{path}: ", notes) for name, sample in samples.items()], notes


def _samples(path: Path) -> dict[str, Record]:
    """Conversation id -> its JSON object."""
    data: Any = read_json(path, "LoCoMo is at https://github.com/snap-research/locomo")
    if not isinstance(data, list):
        raise DataError(f"{path}: expected a list of conversations (LoCoMo's schema), found {kind_of(data)}")
    samples: dict[str, Record] = {}
    for number, sample in enumerate(cast("list[Any]", data), start=1):
        place = f"{path}: conversation number {number}"
        if not isinstance(sample, dict):
            raise DataError(f"{place}: expected an object, found {kind_of(sample)}")
        name = get(cast("Record", sample), "sample_id", str, place)
        if name in samples:
            raise DataError(f"{path}: two conversations are called '{name}'")
        samples[name] = cast("Record", sample)
    return samples


# --- reading -----------------------------------------------------------------------------------------------


def _conversation(name: str, sample: Record, where: str, notes: list[str]) -> Conversation:
    place = f"{where}conversation '{name}'"
    dialogue: Record = get(sample, "conversation", dict, place)
    sessions = _sessions(dialogue, get_or(sample, "fairmem_times", dict, {}, place), place)
    pair = [get(dialogue, key, str, place) for key in ("speaker_a", "speaker_b")]
    speakers = get_or(sample, "fairmem_speakers", list, pair, place)
    spoken = dict.fromkeys(turn.speaker for session in sessions for turn in session.turns)
    reader = _QuestionReader(name, {turn.id: s.index for s in sessions for turn in s.turns}, sessions[-1].index, notes)
    return Conversation(
        id=name,
        speakers=tuple(dict.fromkeys([*speakers, *spoken])),
        sessions=sessions,
        questions=tuple(
            reader.question(number, record, f"{place} question {number}")
            for number, record in enumerate(objects(sample, "qa", place), start=1)
        ),
        deltas=_deltas(sample, place),
    )


def _sessions(dialogue: Record, times: Record, place: str) -> tuple[Session, ...]:
    numbers = sorted(int(match[1]) for key in dialogue if (match := _SESSION.fullmatch(key)))
    sessions: list[Session] = []
    seen: set[str] = set()
    for number in numbers:
        key = f"session_{number}"
        turns = tuple(_turn(record, f"{place} {key}") for record in objects(dialogue, key, place))
        for turn in turns:
            if turn.id in seen:
                raise DataError(f"{place} {key}: turn id '{turn.id}' is used twice")
            seen.add(turn.id)
        if turns:
            sessions.append(Session(number, _time(dialogue, times, number, place), turns))
    if not sessions:
        raise DataError(f"{place}: no session with turns (keys session_1, session_2, ...)")
    return tuple(sessions)


def _time(dialogue: Record, times: Record, number: int, place: str) -> datetime:
    key = f"session_{number}_date_time"
    text = get(dialogue, key, str, place)
    if str(number) not in times:
        return parse_time(text, f"{place} {key}")
    try:
        return datetime.fromisoformat(times[str(number)])
    except (TypeError, ValueError) as error:
        raise DataError(f"{place}: key 'fairmem_times' has no ISO time for session {number}") from error


def _turn(record: Record, place: str) -> Turn:
    identity = get(record, "dia_id", str, place)
    place = f"{place} turn {identity}"
    return Turn(
        id=identity,
        speaker=get(record, "speaker", str, place),
        text=get(record, "text", str, place),
        caption=get_or(record, "blip_caption", str, None, place),
    )


@dataclass(frozen=True, slots=True)
class _QuestionReader:
    """Reads the questions of one conversation, whose turns lie in the sessions `session_of`."""

    conversation: str
    session_of: dict[str, int]
    last_session: int
    notes: list[str]

    def question(self, number: int, record: Record, place: str) -> Question:
        text = get(record, "question", str, place)
        code = get(record, "category", int, place)
        if not 1 <= code <= 5:
            raise DataError(f"{place}: key 'category' should be 1 to 5, found {code}")
        category = cast("Category", get_or(record, "fairmem_category", str, CATEGORIES[code - 1], place))
        if category not in CATEGORIES:
            raise DataError(f"{place}: key 'fairmem_category' should be one of {', '.join(CATEGORIES)}")
        evidence = self.evidence(record, place)
        latest = max((self.session_of[turn] for turn in evidence), default=self.last_session)
        return Question(
            id=get_or(record, "fairmem_id", str, f"{self.conversation}:q{number}", place),
            text=text,
            answer=self.answer(record, category, place),
            category=category,
            evidence=evidence,
            asked_from=get_or(record, "fairmem_asked_from", int, latest, place),
            valid_until=get_or(record, "fairmem_valid_until", int, None, place),
            kind=get_or(record, "fairmem_kind", str, "", place),
            **{name: tuple(get_or(record, f"fairmem_{name}", list, [], place)) for name in _LISTS},
        )

    def answer(self, record: Record, category: Category, place: str) -> str:
        if "answer" not in record and category == "adversarial":
            return REFUSAL
        if type(record.get("answer")) in (int, float):
            return str(record["answer"])
        return get(record, "answer", str, place)

    def evidence(self, record: Record, place: str) -> tuple[str, ...]:
        kept: dict[str, None] = {}
        for raw in get_or(record, "evidence", list, [], place):
            found = [turn for turn in read_evidence(str(raw)) if turn in self.session_of]
            if raw in self.session_of:
                found = [raw]
            elif found:
                self.notes.append(f"{place}: evidence '{raw}' read as {', '.join(found)}")
            else:
                self.notes.append(f"{place}: evidence '{raw}' dropped, no such turn")
            kept.update(dict.fromkeys(found))
        return tuple(kept)


def read_evidence(raw: str) -> tuple[str, ...]:
    """The turn ids that a LoCoMo evidence entry means, in its canonical form `D<session>:<turn>`.

    Several ids in one entry may be separated by semicolons, commas or white space; a stray colon after `D` and
    zeros before a number are taken out. Pieces of any other form are left out.
    """
    matches = (_EVIDENCE.fullmatch(piece) for piece in re.split(r"[;,\s]+", raw))
    return tuple(f"D{int(match[1])}:{int(match[2])}" for match in matches if match)


def _deltas(sample: Record, place: str) -> tuple[Delta, ...]:
    records = objects({"fairmem_deltas": [], **sample}, "fairmem_deltas", place)
    try:
        return tuple(Delta(**record) for record in records)
    except TypeError as error:
        raise DataError(f"{place}: key 'fairmem_deltas' holds a record of another form: {error}") from error


# --- writing -----------------------------------------------------------------------------------------------


def dump(conversations: Sequence[Conversation], path: Path) -> None:
    """Write `conversations` to `path` in LoCoMo's schema, so that `load(path)` gives back equal records.

    `knowledge_update` questions are written as category 4 with `fairmem_category`; an adversarial question whose
    answer is `REFUSAL` is written without `answer`, as LoCoMo does.

    Raises:
        DataError: two conversations share an id, or one cannot be written so that it reads back equal (sessions
            without turns, out of order or with repeated turn ids, evidence that names no turn).
    """
    samples = [_sample(conversation) for conversation in conversations]
    names = [sample["sample_id"] for sample in samples]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"two conversations are called '{twice[0]}'; a LoCoMo file needs different ids")
    for conversation, sample in zip(conversations, samples, strict=True):
        if _conversation(conversation.id, sample, "", []) != conversation:
            raise DataError(
                f"conversation '{conversation.id}' does not fit LoCoMo's schema: sessions need turns and ascending "
                "numbers, evidence has to name turns"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(samples, ensure_ascii=False, indent=1) + "\n")


def _sample(conversation: Conversation) -> Record:
    first, second = (*conversation.speakers, "", "")[:2]
    dialogue: Record = {"speaker_a": first, "speaker_b": second}
    times: dict[str, str] = {}
    for session in conversation.sessions:
        key = f"session_{session.index}"
        dialogue[f"{key}_date_time"] = format_time(session.time)
        dialogue[key] = [
            {"speaker": turn.speaker, "dia_id": turn.id, "text": turn.text}
            | ({} if turn.caption is None else {"blip_caption": turn.caption})
            for turn in session.turns
        ]
        if parse_time(format_time(session.time), key) != session.time:
            times[str(session.index)] = session.time.isoformat()
    session_of = conversation.session_of_turn()
    last = max((session.index for session in conversation.sessions), default=0)
    sample: Record = {
        "sample_id": conversation.id,
        "conversation": dialogue,
        "qa": [
            _record(question, f"{conversation.id}:q{number}", session_of, last)
            for number, question in enumerate(conversation.questions, start=1)
        ],
    }
    if len(conversation.speakers) != 2:
        sample["fairmem_speakers"] = list(conversation.speakers)
    if times:
        sample["fairmem_times"] = times
    if conversation.deltas:
        sample["fairmem_deltas"] = [_delta_record(delta) for delta in conversation.deltas]
    return sample


def _record(question: Question, default_id: str, session_of: dict[str, int], last: int) -> Record:
    code = 4 if question.category == "knowledge_update" else CATEGORIES.index(question.category) + 1
    record: Record = {"question": question.text, "evidence": list(question.evidence), "category": code}
    if question.category != "adversarial" or question.answer != REFUSAL:
        record["answer"] = question.answer
    if question.category != CATEGORIES[code - 1]:
        record["fairmem_category"] = question.category
    if question.id != default_id:
        record["fairmem_id"] = question.id
    if question.asked_from != max((session_of.get(turn, 0) for turn in question.evidence), default=last):
        record["fairmem_asked_from"] = question.asked_from
    if question.valid_until is not None:
        record["fairmem_valid_until"] = question.valid_until
    if question.kind:
        record["fairmem_kind"] = question.kind
    return record | {f"fairmem_{name}": list(getattr(question, name)) for name in _LISTS if getattr(question, name)}


def _delta_record(delta: Delta) -> Record:
    record = {name: getattr(delta, name) for name in ("session", "turn", "kind", "speaker", "content")}
    return record if delta.previous is None else record | {"previous": delta.previous}
