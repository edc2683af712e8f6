"""BookSum (Kryscinski et al., 2022; arXiv 2105.08209): a chapter read out, then one request for its summary.

A record has `chapter` (or `text`) and `summary_text` (or `summary`). The answer is scored by the share of the keywords
of the summary that it names (`kind` booksum). A record's own `keywords` are used where it has them; Mem-alpha has a
model extract them. Else they are the names and capitalised words inside the summary's sentences, most frequent first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.data.chat import optional_text
from fairmem.data.fields import Record, read_records
from fairmem.data.stream import Piece, chosen, conversation, make_stream
from fairmem.errors import DataError
from fairmem.types import Conversation, Question

KEYWORDS = 20
"""Most keywords of a summary."""
_NAME = re.compile(r"(?<![.!?\"'”’] )(?<!^)\b[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})*")
_WORD = re.compile(r"[A-Za-z]{6,}")
_HINT = "BookSum is at https://github.com/salesforce/booksum; as JSON lines with 'chapter' and 'summary_text'"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The chapters of the file at `path` (JSON lines, or one JSON list), `booksum#1` and so on.

    Raises:
        DataError: no such file, a record without its fields (named by number), or an unknown id.
    """
    found: dict[str, Conversation] = {}
    for number, record in enumerate(read_records(path, _HINT), start=1):
        place = f"{path}: record {number}"
        text = optional_text(record, "chapter", "text", place=place)
        summary = optional_text(record, "summary_text", "summary", place=place)
        if not text or not summary:
            raise DataError(f"{place}: expected 'chapter' (or 'text') and 'summary_text' (or 'summary')")
        name = f"booksum#{number}"
        stream = make_stream([Piece("text", text)])
        question = Question(
            f"{name}:q1",
            "Summarise the text that was read: name the people, the places and what happens.",
            ", ".join(_keywords(record, summary)),
            "open_domain",
            stream.evidence(["text"]),
            stream.sessions[-1].index,
            kind="booksum",
        )
        found[name] = conversation(name, stream, [question])
    return chosen(found, conversations, path, "chapter")


def _keywords(record: Record, summary: str) -> list[str]:
    given: Any = record.get("keywords")
    if isinstance(given, str):
        given = given.split(",")
    if isinstance(given, list) and given:
        return [str(word).strip() for word in cast("list[Any]", given)]
    counts = Counter(_NAME.findall(summary)) or Counter(word.lower() for word in _WORD.findall(summary))
    return [word for word, _ in counts.most_common(KEYWORDS)] or [summary.split()[0]]


def looks_like(record: Record) -> bool:
    """Whether a parsed record has the shape of this dataset."""
    return {"chapter", "summary_text"} <= record.keys() or {"chapter", "summary"} <= record.keys()
