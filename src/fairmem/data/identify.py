"""Which dataset a file is, whether it is whole, and what it holds: `fairmem data check` and `fairmem data list`."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fairmem.data.base import DATASETS, DatasetSpec
from fairmem.data.fields import read_text
from fairmem.errors import ConfigError, DataError
from fairmem.types import CATEGORIES, Conversation


@dataclass(frozen=True, slots=True)
class Identified:
    """What a path holds.

    Attributes:
        path: The path.
        name: Key of `DATASETS`.
        conversations: How many; `sessions`, `turns` and `questions` likewise, over all of them.
        categories: Category -> questions, in the order of `CATEGORIES`.
        published: Name of the published file it equals byte for byte; "" where no checksum is known or it differs.
        checkable: Whether a checksum of the dataset is known.
        without_evidence: Questions without an evidence turn.
        notes: One line for everything that was repaired or dropped.
    """

    path: Path
    name: str
    conversations: int
    sessions: int
    turns: int
    questions: int
    categories: dict[str, int]
    published: str
    checkable: bool
    without_evidence: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        mix = ", ".join(f"{name} {count:,}" for name, count in self.categories.items())
        lines = [
            f"{self.path}: {self.name}, licence: {DATASETS[self.name].licence}",
            f"    {_count(self.conversations, 'conversation')}, {_count(self.sessions, 'session')}, "
            f"{_count(self.turns, 'turn')}",
            f"    {_count(self.questions, 'question')}{f': {mix}' if mix else ''}",
        ]
        whole = DATASETS[self.name].questions
        if whole and self.questions != whole:
            lines.append(f"    {self.questions:,} of the published {whole:,} questions: a part, or another release")
        if self.questions and self.without_evidence:
            lines.append(f"    {_count(self.without_evidence, 'question')} without a known evidence turn")
        if self.published:
            lines.append(f"    checksum: the published {self.published}")
        elif self.checkable:
            lines.append("    checksum: none of the published files (a part, an edit or another release)")
        lines += [f"    note: {note.removeprefix(f'{self.path}: ')}" for note in self.notes]
        return "\n".join(lines)


def _count(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def identify(path: Path, name: str | None = None) -> Identified:
    """Read all of `path`, as the dataset `name` or as the one it looks like.

    Raises:
        DataError: nothing is there, it is of no known dataset, or it cannot be read as the one it looks like.
        ConfigError: there is no dataset `name`.
    """
    if name is not None and name not in DATASETS:
        raise ConfigError(f"unknown dataset '{name}'; known: {', '.join(sorted(DATASETS))}")
    name = name or looks_like(path)
    notes: list[str] = []
    if name == "locomo":
        from fairmem.data import locomo

        found, notes = locomo.load_with_notes(path)
    else:
        found = DATASETS[name].loader(path)
    return _identified(path, name, found, notes)


def looks_like(path: Path) -> str:
    """The dataset that the names and the shape of `path` say it is.

    Raises:
        DataError: nothing is there, or it is none of them.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir():
        for name, patterns in (
            ("msc", ("session_*_*.jsonl",)),
            ("personamem", ("questions_*.csv",)),
            ("perltqa", ("perltmem*.json",)),
        ):
            if any(any(path.glob(pattern)) for pattern in patterns):
                return name
        if next(path.rglob("chat.json"), None) is not None:
            return "beam"
        raise DataError(
            f"{path}: a folder of no known dataset; expected MSC's session_N_*.jsonl, PersonaMem's questions_*.csv, "
            "PerLTQA's perltmem*.json or BEAM's chat.json in it"
        )
    if path.suffix != ".parquet" and (named := _of_first_line(path)):
        return named
    if path.suffix == ".csv":
        if "question_id" not in _header(path):
            raise DataError(f"{path}: of no known dataset; `fairmem data list` names those there are")
        return "personamem"
    if path.suffix == ".parquet":
        return "memory_agent_bench"
    name = _of_content(_content(path))
    if name is None:
        raise DataError(f"{path}: of no known dataset; `fairmem data list` names those there are")
    return name


def _header(path: Path) -> str:
    """The first line of a file."""
    with path.open("rb") as file:
        return file.readline(10_000).decode("latin-1").strip()


def _of_first_line(path: Path) -> str | None:
    """The dataset of a file that is not JSON, by its first line."""
    from fairmem.data import nlu, pubmed_rct, trec

    line = _header(path)
    if pubmed_rct.looks_like(line):
        return "pubmed_rct"
    if trec.looks_like(line):
        return "trec"
    return "nlu" if path.suffix == ".csv" and nlu.looks_like_header(line) else None


def _content(path: Path) -> Any:
    """All of a JSON file, or the first record of a JSON-lines file."""
    text = read_text(path, "")
    try:
        return json.loads(text)
    except ValueError as whole:
        try:
            return json.loads(text.lstrip().partition("\n")[0])
        except ValueError:
            raise DataError(f"{path}: neither JSON nor JSON lines: {whole}") from whole


def _of_content(content: Any) -> str | None:
    from fairmem.data import booksum, hotpotqa, longmemeval, membench, memory_agent_bench, msc_self_instruct, nlu, squad

    items = cast("list[Any]", content) if isinstance(content, list) else [content]
    first: Any = items[0] if items else None
    if not isinstance(first, dict):
        return None
    record = cast("dict[str, Any]", first)
    if "sample_id" in record and "conversation" in record:
        return "locomo"
    if squad.looks_like(content):
        return "squad"
    if nlu.looks_like(content):
        return "nlu"
    if hotpotqa.looks_like(record):
        return "hotpotqa"
    if booksum.looks_like(record):
        return "booksum"
    if longmemeval.looks_like(content):
        return "longmemeval"
    if msc_self_instruct.looks_like(record):
        return "msc_self_instruct"
    if memory_agent_bench.looks_like(record):
        return "memory_agent_bench"
    if "initial_data_id" in record and "dialog" in record:
        return "msc"
    return "membench" if membench.looks_like(content) else None


def _identified(path: Path, name: str, found: list[Conversation], notes: list[str]) -> Identified:
    questions = [question for conversation in found for question in conversation.questions]
    counts = Counter(question.category for question in questions)
    checksums = DATASETS[name].checksums
    published = checksums.get(hashlib.sha256(path.read_bytes()).hexdigest(), "") if checksums and path.is_file() else ""
    return Identified(
        path=path,
        name=name,
        conversations=len(found),
        sessions=sum(len(conversation.sessions) for conversation in found),
        turns=sum(len(session.turns) for conversation in found for session in conversation.sessions),
        questions=len(questions),
        categories={category: counts[category] for category in CATEGORIES if counts[category]},
        published=published,
        checkable=bool(checksums) and path.is_file(),
        without_evidence=sum(not question.evidence for question in questions),
        notes=tuple(notes),
    )


def present(spec: DatasetSpec, folder: Path) -> list[Path]:
    """Files below `folder` whose names are those the dataset's files usually have, nearest first."""
    if not folder.is_dir():
        return []
    found = {file for pattern in spec.files for file in folder.rglob(pattern)}
    return sorted(found, key=lambda file: (len(file.parts), file.as_posix()))
