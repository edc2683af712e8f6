"""PerLTQA (Du et al., 2024; arXiv 2402.16288): the life of a character, read out, then questions about it.

The folder holds `perltmem*.json` (profiles, relations, events, dialogues) and `perltqa*.json` (questions); the
published English files are `perltmem_en_v2.json` and `perltqa_en_v2.json`. A character of both is one stream. Each
memory is a piece; an answer's evidence is the memory that its question refers to.

The gold answer is the list of the question's memory anchors, with ";" between them: short phrases the publisher marked.
Mem-alpha has a model shorten the answers instead. The full answer is kept as an alternative. Score: share of the parts
that occur (`kind` perltqa).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.data.fields import Record, get, get_or, read_json
from fairmem.data.stream import Piece, Stream, chosen, conversation, make_stream
from fairmem.errors import DataError
from fairmem.types import Conversation, Question

_HINT = "PerLTQA is at https://github.com/Elvin-Yiming-Du/PerLTQA (folder Dataset/en_v2)"
_ID = re.compile(r"\d+(?:_\d+)+(?:#\d+)?")


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The characters that have memories and questions in the folder `path`, by their names.

    Raises:
        DataError: no such folder or files, not of the schema (the character is named), or an unknown name.
    """
    memories: Any = read_json(_file(path, "perltmem"), _HINT)
    asked: Any = read_json(_file(path, "perltqa"), _HINT)
    if not isinstance(memories, dict) or not isinstance(asked, list):
        raise DataError(f"{path}: expected an object of characters in perltmem and a list in perltqa")
    people = cast("Record", memories)
    found: dict[str, Conversation] = {}
    for item in cast("list[Any]", asked):
        for name, parts in (cast("Record", item) if isinstance(item, dict) else {}).items():
            if isinstance(people.get(name), dict) and isinstance(parts, dict):
                found[name] = _character(name, people[name], parts, f"{path}: character '{name}'")
    return chosen(found, conversations, path, "character with memories and questions")


def _file(folder: Path, kind: str) -> Path:
    files = sorted(folder.glob(f"{kind}*.json"))
    if not files:
        raise DataError(f"{folder}: no {kind}*.json in it; {_HINT}")
    return files[0]


def _character(name: str, memories: Record, asked: Record, place: str) -> Conversation:
    stream = make_stream(_pieces(name, memories, place))
    if not stream.sessions:
        raise DataError(f"{place}: no memories")
    questions: list[Question] = []
    for part, record in _questions(asked):
        text, answer = get(record, "Question", str, place), get(record, "Answer", str, place)
        anchors = _anchors(record)
        gold = "; ".join(anchors) or answer
        questions.append(
            Question(
                f"{name}:q{len(questions) + 1}",
                text,
                gold,
                "single_hop",
                _evidence(stream, part, str(record.get("Reference Memory", ""))),
                stream.sessions[-1].index,
                kind="perltqa",
                alternatives=(answer,) if answer != gold else (),
            )
        )
    return conversation(name, stream, questions)


def _pieces(name: str, memories: Record, place: str) -> Iterator[Piece]:
    for field, value in get_or(memories, "profile", dict, {}, place).items():
        yield Piece(f"profile {field}", f"{name}, {field}: {value}")
    for key, relation in get_or(memories, "social_relationship", dict, {}, place).items():
        who, what = relation.get("Supporting Characters", ""), relation.get("Relationship", "")
        yield Piece(key, f"{who} ({what} of {name}): {relation.get('Description', '')}")
    for key, event in get_or(memories, "events", dict, {}, place).items():
        yield Piece(key, f"{event.get('Creation Time', '')}: {event.get('content', '')}")
    for key, talk in get_or(memories, "dialogues", dict, {}, place).items():
        contents: Any = talk.get("contents") if isinstance(talk, dict) else talk
        for date, lines in (cast("Record", contents) if isinstance(contents, dict) else {"": contents}).items():
            said = "\n".join(map(str, cast("list[Any]", lines))) if isinstance(lines, list) else str(lines or "")
            yield Piece(key, f"Dialogue of {date}:\n{said}" if date else said)


def _questions(asked: Record) -> Iterator[tuple[str, Record]]:
    """(part, question) of a character: in the profile as a list, elsewhere as lists under memory ids."""
    for part, items in asked.items():
        for item in cast("list[Any]", items) if isinstance(items, list) else []:
            record = cast("Record", item) if isinstance(item, dict) else {}
            if "Question" in record:
                yield part, record
                continue
            for held in record.values():
                for question in cast("list[Any]", held) if isinstance(held, list) else []:
                    if isinstance(question, dict) and "Question" in question:
                        yield part, cast("Record", question)


def _anchors(record: Record) -> list[str]:
    anchors: Any = record.get("Memory Anchors")
    listed = cast("list[Any]", anchors) if isinstance(anchors, list) else []
    found = [html.unescape(str(key)) for anchor in listed if isinstance(anchor, dict) for key in cast("Record", anchor)]
    return list(dict.fromkeys(text.replace(";", ",") for text in found if text.strip()))


def _evidence(stream: Stream, part: str, reference: str) -> tuple[str, ...]:
    ids = _ID.findall(reference)
    return stream.evidence([*ids, *(id.split("#")[0] for id in ids)] if ids else [f"{part} {reference}"])
