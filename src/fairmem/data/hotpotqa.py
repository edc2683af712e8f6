"""HotpotQA (Yang et al., 2018; arXiv 1809.09600): paragraphs read out, then questions that need two of them.

`PER_STREAM` items, in file order, make one stream of all their paragraphs, each title once. Evidence are the paragraphs
with supporting facts. The score is whether the answer occurs (`kind` hotpotqa).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.data.fields import Record, get, kind_of, read_records
from fairmem.data.stream import Piece, chosen, conversation, make_stream
from fairmem.errors import DataError
from fairmem.types import Conversation, Question

PER_STREAM = 17
"""Questions of a stream, about as many as in Mem-alpha."""
_HINT = "HotpotQA is at https://hotpotqa.github.io (hotpot_train_v1.1.json, hotpot_dev_distractor_v1.json)"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The streams of the file at `path` (one JSON list, or JSON lines), `hotpotqa#1` and so on.

    Raises:
        DataError: no such file, an item that is not of the schema (named by number), or an unknown id.
    """
    items = read_records(path, _HINT)
    found: dict[str, Conversation] = {}
    for start in range(0, len(items), PER_STREAM):
        name = f"hotpotqa#{start // PER_STREAM + 1}"
        found[name] = _stream(name, items[start : start + PER_STREAM], start, path)
    return chosen(found, conversations, path, "stream")


def _stream(name: str, items: Sequence[Record], start: int, path: Path) -> Conversation:
    pieces: dict[str, Piece] = {}
    for number, item in enumerate(items, start=start + 1):
        place = f"{path}: item {number}"
        for title, sentences in _pairs(item, "context", place):
            if not isinstance(sentences, list):
                raise DataError(f"{place}: the sentences of '{title}' should be a list, found {kind_of(sentences)}")
            text = "".join(str(sentence) for sentence in cast("list[Any]", sentences)).strip()
            pieces.setdefault(title, Piece(title, f"{title}: {text}"))
    stream = make_stream(pieces.values())
    questions = [
        Question(
            str(item.get("_id") or item.get("id") or f"{name}:{number}"),
            get(item, "question", str, f"{path}: item {number}"),
            get(item, "answer", str, f"{path}: item {number}"),
            "multi_hop",
            stream.evidence(title for title, _ in _pairs(item, "supporting_facts", f"{path}: item {number}")),
            stream.sessions[-1].index,
            kind="hotpotqa",
        )
        for number, item in enumerate(items, start=start + 1)
        if stream.sessions
    ]
    return conversation(name, stream, questions)


def _pairs(item: Record, key: str, place: str) -> list[tuple[str, Any]]:
    """The [title, ...] pairs under `key`; the form of the datasets library, an object of two lists, will do too."""
    value: Any = item.get(key)
    if isinstance(value, dict):
        fields = cast("Record", value)
        second = "sentences" if key == "context" else "sent_id"
        value = [list(pair) for pair in zip(fields.get("title", []), fields.get(second, []), strict=False)]
    if not isinstance(value, list):
        raise DataError(f"{place}: key '{key}' should be a list of [title, ...], found {kind_of(value)}")
    found: list[tuple[str, Any]] = []
    for pair in cast("list[Any]", value):
        if not isinstance(pair, list) or len(cast("list[Any]", pair)) != 2:
            raise DataError(f"{place}: key '{key}' should hold [title, ...] pairs")
        found.append((str(pair[0]), pair[1]))
    return found


def looks_like(record: Record) -> bool:
    """Whether a parsed record has the shape of this dataset."""
    return {"supporting_facts", "context", "question", "answer"} <= record.keys()
