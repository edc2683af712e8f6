"""MemoryAgentBench (Hu et al., 2025, arXiv 2507.05257): long texts read piece by piece, then many questions.

A row has `context`, `questions`, `answers` (several accepted ones each) and `metadata` (`source`, `qa_pair_ids`). The
published files are Parquet; write a split as JSON lines first, for example with pandas:
`pandas.read_parquet(FILE).to_json("split.jsonl", orient="records", lines=True)`.

The text is cut at line ends, sentences or blanks into turns of at most `TURN` characters, which the user says;
`PER_SESSION` turns are one session. There are no dates in it (sessions are a day apart) and no evidence.

Checked against the reader in the authors' repository, HUST-AI-HYZ/MemoryAgentBench, as public ports quote it: a single
question or answer may stand without its list, and `metadata.question_types` names the type where a row mixes several.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.data.chat import USER, dated
from fairmem.data.fields import Record, chosen, get, get_or, kind_of, read_records
from fairmem.errors import DataError
from fairmem.types import Category, Conversation, Question, Session, Turn

TURN = 2_000
"""Most characters of a turn."""
PER_SESSION = 10
"""Turns of a session."""

_HINT = "MemoryAgentBench is at https://huggingface.co/datasets/ai-hyz/MemoryAgentBench"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The rows of the file at `path` (JSON lines, or one JSON list), in file order.

    Raises:
        DataError: no such file, Parquet, a row that is not of the schema (named by number), or an unknown id.
    """
    if path.suffix == ".parquet":
        raise DataError(f"{path}: Parquet is not read; write it as JSON lines first (pandas: to_json(..., lines=True))")
    found: dict[str, Conversation] = {}
    for number, row in enumerate(read_records(path, _HINT), start=1):
        talk = _conversation(row, number, f"{path}: row {number}")
        found[talk.id] = talk
    return list(chosen(found, conversations, path, "row").values())


def _conversation(row: Record, number: int, place: str) -> Conversation:
    pieces = cut(get(row, "context", str, place))
    if not pieces:
        raise DataError(f"{place}: the context is empty")
    metadata: Record = get_or(row, "metadata", dict, {}, place) or {}
    source = get_or(row, "source", str, "", place) or str(metadata.get("source") or "row")
    name = f"{source}#{number}"
    sessions = tuple(
        Session(
            index,
            dated(index, None, place),
            tuple(Turn(f"D{index}:{n}", USER, text) for n, text in enumerate(pieces[first : first + PER_SESSION], 1)),
        )
        for index, first in enumerate(range(0, len(pieces), PER_SESSION), start=1)
    )
    texts, answers = _listed(row, "questions", place), _listed(row, "answers", place)
    if len(texts) != len(answers):
        raise DataError(f"{place}: {len(texts)} questions and {len(answers)} answers; expected as many")
    ids: Any = row.get("qa_pair_ids") or metadata.get("qa_pair_ids") or []
    kinds: Any = metadata.get("question_types") or []
    questions: list[Question] = []
    for n, (text, accepted) in enumerate(zip(texts, answers, strict=True)):
        right = _accepted(accepted, f"{place} question {n + 1}")
        identity = str(ids[n]) if len(ids) == len(texts) else f"q{n + 1}"
        questions.append(
            Question(
                f"{name}:{identity}",
                str(text),
                right[0],
                _category(source),
                (),
                sessions[-1].index,
                kind=str(kinds[n]) if len(kinds) == len(texts) else source,
                alternatives=right[1:],
            )
        )
    return Conversation(name, (USER,), sessions, tuple(questions))


def _listed(row: Record, key: str, place: str) -> list[Any]:
    return [row[key]] if isinstance(row.get(key), str) else get(row, key, list, place)


def cut(text: str, most: int = TURN) -> list[str]:
    """`text` in pieces of at most `most` characters, cut at the last line end, sentence end or blank that fits."""
    pieces: list[str] = []
    rest = text.strip()
    while len(rest) > most:
        head = rest[: most + 1]
        end = next((at + len(mark) for mark in ("\n", ". ", " ") if (at := head.rfind(mark)) > 0), most)
        end = min(end, most)
        pieces.append(rest[:end].strip())
        rest = rest[end:].strip()
    return [piece for piece in [*pieces, rest] if piece]


def _accepted(answers: Any, place: str) -> tuple[str, ...]:
    if isinstance(answers, str | int | float):
        return (str(answers),)
    if isinstance(answers, list) and answers:
        return tuple(dict.fromkeys(str(answer) for answer in cast("list[Any]", answers)))
    raise DataError(f"{place}: answers should be text or a list of texts, found {kind_of(answers)}")


def _category(source: str) -> Category:
    if "factconsolidation" in source:
        return "knowledge_update"
    return "multi_hop" if "_mh" in source or "ruler_qa2" in source else "single_hop"


def looks_like(content: Any) -> bool:
    """Whether a parsed record has the shape of this dataset."""
    return isinstance(content, dict) and {"context", "questions", "answers"} <= cast("Record", content).keys()
