"""BEAM (Tavakoli et al., 2025, arXiv 2510.27246): chats of 128 K to 10 M tokens with 20 probing questions each.

A conversation is a folder with `chat.json` (batches of turns of messages, each with an `id` and sometimes a
`time_anchor` such as March-15-2024) and `probing_questions/probing_questions.json` (ability -> questions). A batch is a
session. Evidence are the messages whose ids `source_chat_ids` gives; ids that name no message, or two, are left out.
Messages of the user may end in a mark of the generator such as `->-> 1,17`, which is cut off.

Questions are graded by a rubric, which is kept; the reference answer has another key per ability, and where there is
none the rubric's lines are the answer. Abstention: category `adversarial`, gold answer `REFUSAL`.

Checked against chats of the authors' repository, mohammadtavakoli78/BEAM.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.data.base import REFUSAL
from fairmem.data.chat import SPEAKERS, USER, dated, optional_text, session_of
from fairmem.data.fields import Record, chosen, get, get_or, kind_of, objects, read_json
from fairmem.errors import DataError
from fairmem.types import Category, Conversation, Question, Session, Turn

CATEGORY: dict[str, Category] = {
    "abstention": "adversarial",
    "contradiction_resolution": "open_domain",
    "event_ordering": "temporal",
    "information_extraction": "single_hop",
    "instruction_following": "open_domain",
    "knowledge_update": "knowledge_update",
    "multi_session_reasoning": "multi_hop",
    "preference_following": "open_domain",
    "summarization": "open_domain",
    "temporal_reasoning": "temporal",
}
"""Memory ability -> category."""
CHAT, QUESTIONS = "chat.json", "probing_questions/probing_questions.json"

_MARK = re.compile(r"\s*->->\s*[\d,\s]*$")
_ANSWERS = ("answer", "ideal_answer", "ideal_response", "ideal_summary", "expected_compliance")
_HINT = "BEAM is at https://github.com/mohammadtavakoli78/BEAM (folder chats)"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The conversations below the folder `path` (one chat's own, a size such as `chats/100K`, or `chats`).

    Raises:
        DataError: no chat there, a file that is not of the schema, or an unknown id (an id is the folder's path).
    """
    folders = sorted((file.parent for file in path.rglob(CHAT) if (file.parent / QUESTIONS).is_file()), key=_order)
    if not folders:
        raise DataError(f"{path}: no folder with {CHAT} and {QUESTIONS} in it; {_HINT}")
    names = {folder.relative_to(path).as_posix() if folder != path else folder.name: folder for folder in folders}
    return [_conversation(name, folder) for name, folder in chosen(names, conversations, path, "chat").items()]


def _order(folder: Path) -> tuple[str, int]:
    return (folder.parent.as_posix(), int(folder.name) if folder.name.isdecimal() else 0)


def _conversation(name: str, folder: Path) -> Conversation:
    place = str(folder / CHAT)
    sessions: list[Session] = []
    turn_of: dict[str, str] = {}
    seen: Counter[str] = Counter()
    time = None
    for index, batch in enumerate(_batches(read_json(folder / CHAT, _HINT), place), start=1):
        turns: list[Turn] = []
        anchor = optional_text(batch, "time_anchor", place=place)
        for message in _messages(batch, f"{place} batch {index}"):
            anchor = anchor or optional_text(message, "time_anchor", place=place)
            content = _MARK.sub("", get(message, "content", str, f"{place} batch {index}"))
            if not content.strip():
                continue
            role: str = get(message, "role", str, f"{place} batch {index}")
            turns.append(Turn(f"D{index}:{len(turns) + 1}", SPEAKERS.get(role, role), content))
            identity = str(message.get("id"))
            seen[identity] += 1
            turn_of[identity] = turns[-1].id
        time = dated(index, anchor, place, time)
        if turns:
            sessions.append(Session(index, time, tuple(turns)))
    if not sessions:
        raise DataError(f"{place}: no messages")
    turn_of = {identity: turn for identity, turn in turn_of.items() if seen[identity] == 1}
    questions = tuple(_questions(name, folder / QUESTIONS, turn_of, sessions))
    speakers = dict.fromkeys([USER, *(turn.speaker for session in sessions for turn in session.turns)])
    return Conversation(name, tuple(speakers), tuple(sessions), questions)


def _batches(content: Any, place: str) -> Iterator[Record]:
    """The batches of a chat; the longest chats wrap them in plans (`[{"plan-1": [...]}, ...]`)."""
    if not isinstance(content, list):
        raise DataError(f"{place}: expected a list of batches, found {kind_of(content)}")
    for item in objects({"items": content}, "items", place):
        if "turns" in item:
            yield item
        else:
            for part in item.values():
                if isinstance(part, list):
                    yield from _batches(part, place)


def _messages(batch: Record, place: str) -> Iterator[Record]:
    for turn in get(batch, "turns", list, place):
        yield from objects({"turn": turn if isinstance(turn, list) else [turn]}, "turn", place)


def _questions(name: str, path: Path, turn_of: dict[str, str], sessions: Sequence[Session]) -> Iterator[Question]:
    content = read_json(path, _HINT)
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object of abilities, found {kind_of(content)}")
    for ability, _ in cast("Record", content).items():
        if ability not in CATEGORY:
            raise DataError(f"{path}: ability '{ability}' is unknown; expected {', '.join(CATEGORY)}")
        for number, record in enumerate(objects(cast("Record", content), ability, str(path)), start=1):
            place = f"{path}: {ability} {number}"
            rubric = tuple(str(line) for line in get_or(record, "rubric", list, [], place))
            sources = dict.fromkeys(str(identity) for identity in _flat(record.get("source_chat_ids")))
            evidence = tuple(turn_of[identity] for identity in sources if identity in turn_of)
            answer = optional_text(record, *_ANSWERS, place=place) or "; ".join(rubric)
            last = max((session_of(sessions, turn) or 0 for turn in evidence), default=sessions[-1].index)
            yield Question(
                id=f"{name}:{ability}:{number}",
                text=get(record, "question", str, place),
                answer=REFUSAL if ability == "abstention" else answer,
                category=CATEGORY[ability],
                evidence=() if ability == "abstention" else evidence,
                asked_from=sessions[-1].index if ability == "abstention" else last,
                kind=ability,
                rubric=rubric,
            )


def _flat(found: Any) -> Iterator[Any]:
    """The ids in a list, or in lists under any keys."""
    if isinstance(found, dict):
        found = list(cast("Record", found).values())
    if isinstance(found, list):
        for part in cast("list[Any]", found):
            yield from _flat(part)
    elif found is not None:
        yield found
