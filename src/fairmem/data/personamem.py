"""PersonaMem (Jiang et al., 2025, arXiv 2504.14225): does an assistant know its user? Multiple choice, no judge.

`questions_SIZE.csv` names for each question the shared context it is asked in and how many of its messages were said
by then; `shared_contexts_SIZE.jsonl`, in the same folder, holds the messages, one context per line. Questions with the
same context and the same end are one conversation, so that nothing said later is in memory.

The context's `system` messages describe the persona outright; they are left out, and each starts a new session. There
are no dates (sessions are a day apart) and no evidence turns.

Checked against the sample of questions in the authors' repository, bowen-upenn/PersonaMem, whose older files call the
question's column `question`; both names are read.
"""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.data.chat import SPEAKERS, USER, dated
from fairmem.data.fields import Record, chosen, get, objects, read_records, read_text
from fairmem.errors import DataError
from fairmem.types import LETTERS, Category, Conversation, Question, Session, Turn

COLUMNS = ("question_id", "question_type", "user_question_or_message", "correct_answer", "all_options")
OLD_COLUMN = "question"
"""What older files call the third of `COLUMNS`."""
PLACE_COLUMNS = ("shared_context_id", "end_index_in_shared_context")

_HINT = "PersonaMem is at https://huggingface.co/datasets/bowen-upenn/PersonaMem"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The conversations of the questions file at `path`, or of the one such file in the folder `path`.

    Raises:
        DataError: a file is missing or not of the schema (the row is named), or an unknown id.
    """
    file = _questions_file(path)
    rows = _rows(file)
    contexts = _contexts(file.with_name(file.name.replace("questions_", "shared_contexts_")).with_suffix(".jsonl"))
    groups: dict[str, tuple[str, int, list[Question]]] = {}
    for number, row in enumerate(rows, start=1):
        place = f"{file}: row {number}"
        context, end = row["shared_context_id"], row["end_index_in_shared_context"]
        if context not in contexts:
            raise DataError(f"{place}: no context '{context}' in the contexts file")
        if not end.isdecimal():
            raise DataError(f"{place}: end_index_in_shared_context should be a number, found '{end}'")
        group = groups.setdefault(f"{context[:12]}@{end}", (context, int(end), []))
        group[2].append(_question(row, place))
    return [
        _conversation(name, contexts[context][:end], questions, f"{file}: context '{context}'")
        for name, (context, end, questions) in chosen(groups, conversations, file, "conversation").items()
    ]


def _questions_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("questions_*.csv"))
    if len(found) != 1:
        what = f"{len(found)} files questions_*.csv; name one of them" if found else f"no questions_*.csv; {_HINT}"
        raise DataError(f"{path}: found {what}")
    return found[0]


def _rows(file: Path) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(read_text(file, _HINT), newline=""))
    reader.fieldnames = [COLUMNS[2] if name == OLD_COLUMN else name for name in reader.fieldnames or ()]
    missing = [name for name in (*COLUMNS, *PLACE_COLUMNS) if name not in reader.fieldnames]
    if missing:
        raise DataError(f"{file}: no column '{missing[0]}'; expected the questions file of PersonaMem")
    rows = [dict(row) for row in reader]
    for number, row in enumerate(rows, start=1):
        if any(row[name] is None for name in (*COLUMNS, *PLACE_COLUMNS)):  # pyright: ignore[reportUnnecessaryComparison]
            raise DataError(f"{file}: row {number} is cut off")
    return rows


def _contexts(file: Path) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for number, record in enumerate(read_records(file, f"it lies beside the questions; {_HINT}"), start=1):
        place = f"{file}: line {number}"
        if "shared_context_id" in record:
            found[get(record, "shared_context_id", str, place)] = objects(record, "messages", place)
        else:
            found.update({name: objects(record, name, place) for name in record})
    return found


def _question(row: dict[str, str], place: str) -> Question:
    options = _options(row["all_options"], place)
    letter = row["correct_answer"].strip().strip("()").lower()
    right = LETTERS.find(letter) if len(letter) == 1 else -1
    if not 0 <= right < len(options):
        raise DataError(f"{place}: correct_answer '{row['correct_answer']}' names none of {len(options)} options")
    kind = row["question_type"]
    return Question(
        id=row["question_id"],
        text=row["user_question_or_message"],
        answer=options[right],
        category=_category(kind),
        evidence=(),
        asked_from=0,
        kind=kind,
        options=options,
    )


def _options(text: str, place: str) -> tuple[str, ...]:
    """The options without their letters; the column is a list in JSON, or as Python writes it."""
    try:
        parsed: Any = json.loads(text)
    except ValueError:
        try:
            parsed = ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            raise DataError(f"{place}: all_options is not a list: {text[:60]}") from error
    if not isinstance(parsed, list) or not parsed:
        raise DataError(f"{place}: all_options is not a list: {text[:60]}")
    plain: list[str] = []
    for letter, option in zip(LETTERS, cast("list[Any]", parsed), strict=False):
        plain.append(str(option).strip().removeprefix(f"({letter})").strip())
    return tuple(plain)


def _category(kind: str) -> Category:
    if "evolution" in kind or "update" in kind:
        return "knowledge_update"
    return "single_hop" if kind.startswith("recall") else "open_domain"


def _conversation(name: str, messages: Sequence[Record], questions: Sequence[Question], place: str) -> Conversation:
    talks: list[list[tuple[str, str]]] = [[]]
    for number, message in enumerate(messages, start=1):
        role: str = get(message, "role", str, f"{place} message {number}")
        content = get(message, "content", str, f"{place} message {number}")
        if role == "system":
            talks.append([])
        elif content.strip():
            speaker = SPEAKERS.get(role, role)
            talks[-1].append((speaker, content.removeprefix(f"{speaker}: ").strip()))
    sessions = tuple(
        Session(i, dated(i, None, place), tuple(Turn(f"D{i}:{n}", who, text) for n, (who, text) in enumerate(talk, 1)))
        for i, talk in enumerate((talk for talk in talks if talk), start=1)
    )
    if not sessions:
        raise DataError(f"{place}: no messages before the question")
    speakers = dict.fromkeys([USER, *(turn.speaker for session in sessions for turn in session.turns)])
    last = sessions[-1].index
    asked = tuple(
        Question(q.id, q.text, q.answer, q.category, (), last, kind=q.kind, options=q.options) for q in questions
    )
    return Conversation(name, tuple(speakers), sessions, asked)
