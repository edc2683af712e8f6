"""LongMemEval (Wu et al., 2025, arXiv 2410.10813): the oracle, S and M files, in the original schema or flattened.

One item is one conversation between "User" and "Assistant" with one question, asked after all of it. Sessions are put
in order of their dates (the files do not promise it). Evidence are the turns marked `has_answer`; files without the
marks have none. The date a question is asked on is part of its text, as the official prompt gives it.

- Items whose id ends in `_abs` ask for what was never said: category `adversarial`, gold answer `REFUSAL`.
- `kind` keeps the dataset's own question type, since a judge's rules depend on it; the gold "answer" of
  `single-session-preference` is a rubric, to which token F1 does not apply.
- Oracle, S and M have one schema and are not comparable with each other: name the file with every number.

The flattened form (an object with `data`: items with `conversation`, a list of dated messages, and `questions`) is
that of samples in circulation; messages of one date are one session.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.data.base import REFUSAL
from fairmem.data.chat import USER, chat_turns, read_date
from fairmem.data.dates import long_date
from fairmem.data.fields import Record, chosen, get, get_or, kind_of, objects, read_json, text_of
from fairmem.errors import DataError
from fairmem.types import Category, Conversation, Question, Session

CATEGORY: dict[str, Category] = {
    "single-session-user": "single_hop",
    "single-session-assistant": "single_hop",
    "single-session-preference": "open_domain",
    "multi-session": "multi_hop",
    "temporal-reasoning": "temporal",
    "knowledge-update": "knowledge_update",
    "abstention": "adversarial",
}
"""Question type of the dataset -> category."""
ABSTENTION = "abstention"
"""`kind` of questions about what was never said, whatever type their item has."""

_HINT = "LongMemEval is at https://huggingface.co/datasets/xiaowu0162/longmemeval-cleaned"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The items of the LongMemEval file at `path`, in file order.

    Args:
        path: `longmemeval_oracle.json`, `longmemeval_s_cleaned.json`, `longmemeval_m_cleaned.json`, or a sample.
        conversations: Question ids to keep; None keeps all.

    Raises:
        DataError: no such file, not of the schema (the item is named), or an unknown id.
    """
    content = read_json(path, _HINT)
    flat = isinstance(content, dict)
    items = objects(cast("Record", content) if flat else {"items": content}, "data" if flat else "items", str(path))
    found: dict[str, Record] = {}
    for number, item in enumerate(items, start=1):
        name = get(item, "id" if flat else "question_id", str, f"{path}: item {number}")
        if name in found:
            raise DataError(f"{path}: two items are called '{name}'")
        found[name] = item
    read = _flat if flat else _item
    return [
        read(name, item, f"{path}: item '{name}'") for name, item in chosen(found, conversations, path, "item").items()
    ]


def _item(name: str, item: Record, place: str) -> Conversation:
    talks = get(item, "haystack_sessions", list, place)
    dates = get(item, "haystack_dates", list, place)
    if len(talks) != len(dates):
        raise DataError(f"{place}: {len(talks)} sessions and {len(dates)} dates; expected one date per session")
    for talk in talks:
        if not isinstance(talk, list):
            raise DataError(f"{place}: a session should be a list of messages, found {kind_of(talk)}")
    dated = sorted(
        ((read_date(str(date), f"{place} haystack_dates"), talk) for date, talk in zip(dates, talks, strict=True)),
        key=lambda pair: pair[0],
    )
    sessions: list[Session] = []
    evidence: list[str] = []
    for index, (time, talk) in enumerate(dated, start=1):
        messages = objects({"messages": talk}, "messages", f"{place} session {index}")
        turns = chat_turns(index, messages, f"{place} session {index}")
        if turns:
            sessions.append(Session(index, time, turns))
        kept = {turn.id for turn in turns}
        marked = [f"D{index}:{n}" for n, message in enumerate(messages, start=1) if message.get("has_answer") is True]
        evidence += [turn for turn in marked if turn in kept]
    asked = read_date(get(item, "question_date", str, place), f"{place} question_date")
    text = f"{get(item, 'question', str, place)} (Asked on {long_date(asked.date())}.)"
    return _conversation(name, sessions, item, [(name, text, item)], tuple(evidence), place)


def _flat(name: str, item: Record, place: str) -> Conversation:
    by_date: dict[str, list[Record]] = {}
    for message in objects(item, "conversation", place):
        by_date.setdefault(get(message, "date", str, place), []).append(message)
    dated = sorted(((read_date(date, place), messages) for date, messages in by_date.items()), key=lambda pair: pair[0])
    sessions = [
        Session(index, time, turns)
        for index, (time, messages) in enumerate(dated, start=1)
        if (turns := chat_turns(index, messages, f"{place} session {index}"))
    ]
    questions = [
        (f"{name}:{get(record, 'id', str, place)}", get(record, "question", str, place), record)
        for record in objects(item, "questions", place)
    ]
    return _conversation(name, sessions, item, questions, (), place)


def _conversation(
    name: str,
    sessions: Sequence[Session],
    item: Record,
    asked: Sequence[tuple[str, str, Record]],
    evidence: tuple[str, ...],
    place: str,
) -> Conversation:
    kind = get(item, "question_type", str, place)
    if kind not in CATEGORY:
        raise DataError(f"{place}: key 'question_type' should be one of {', '.join(CATEGORY)}, found '{kind}'")
    if not sessions:
        raise DataError(f"{place}: no session with messages")
    questions: list[Question] = []
    for identity, text, record in asked:
        absent = name.endswith("_abs") or kind == ABSTENTION or get_or(record, "is_abstention", bool, False, place)
        questions.append(
            Question(
                id=identity,
                text=text,
                answer=REFUSAL if absent else text_of(record, "answer", place),
                category="adversarial" if absent else CATEGORY[kind],
                evidence=evidence,
                asked_from=sessions[-1].index,
                kind=ABSTENTION if absent else kind,
            )
        )
    spoken = dict.fromkeys([USER, *(turn.speaker for session in sessions for turn in session.turns)])
    return Conversation(name, tuple(spoken), tuple(sessions), tuple(questions))


def looks_like(content: Any) -> bool:
    """Whether parsed JSON has the shape of this dataset."""
    if isinstance(content, dict):
        content = cast("dict[str, Any]", content).get("data")
        first: Any = cast("list[Any]", content)[0] if isinstance(content, list) and content else None
        return isinstance(first, dict) and "conversation" in first and "question_type" in first
    first = cast("list[Any]", content)[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and "haystack_sessions" in first
