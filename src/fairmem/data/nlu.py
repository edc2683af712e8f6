"""Intent classification as label streams: HWU64, CLINC150, Banking77 and files of their forms.

Read are CSV files with a header (`text` and `category`, `intent` or `label`; HWU64's original, with `;` between its
columns and `answer` for the text, `scenario` and `intent` together for the label) and CLINC150's JSON (`train`: a list
of [text, intent]; `oos_*` parts are left out, `val` and `test` are read only if there is no `train`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.data.fields import Record, read_text
from fairmem.data.labels import Example, label_streams
from fairmem.data.stream import chosen
from fairmem.errors import DataError
from fairmem.types import Conversation

_TEXT, _LABEL = ("text", "answer_normalised", "answer", "query", "utterance"), ("category", "intent", "label")
_HINT = "HWU64 and CLINC150 are at https://github.com/alexa/dialoglue and https://github.com/clinc/oos-eval"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The streams of the file at `path`, `nlu#1` and so on.

    Raises:
        DataError: no such file, neither of the forms, a row without its fields (named by number), or an unknown id.
    """
    text = read_text(path, _HINT)
    examples = _json(text, path) if text.lstrip().startswith("{") else _csv(text, path)
    return chosen(label_streams(examples, "nlu", path), conversations, path, "stream")


def _json(text: str, path: Path) -> list[Example]:
    try:
        content: Record = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not a JSON file: {error}") from error
    part: Any = next((content[key] for key in ("train", "val", "test") if isinstance(content.get(key), list)), None)
    if part is None:
        raise DataError(f"{path}: expected a list of [text, intent] under 'train', as in CLINC150's data_full.json")
    examples: list[Example] = []
    for number, pair in enumerate(cast("list[Any]", part), start=1):
        if not isinstance(pair, list) or len(cast("list[Any]", pair)) != 2:
            raise DataError(f"{path}: item {number} should be [text, intent]")
        examples.append((str(pair[0]), str(pair[1])))
    return examples


def _csv(text: str, path: Path) -> list[Example]:
    header = text.partition("\n")[0]
    rows = csv.DictReader(text.splitlines(), delimiter=";" if header.count(";") > header.count(",") else ",")
    names = rows.fieldnames or ()
    said = next((name for name in _TEXT if name in names), None)
    label = next((name for name in _LABEL if name in names), None)
    if said is None or label is None:
        raise DataError(f"{path}: expected columns 'text' and one of {', '.join(_LABEL)}, found {', '.join(names)}")
    examples: list[Example] = []
    for number, row in enumerate(rows, start=2):
        if not row.get(said) or not row.get(label):
            raise DataError(f"{path}: line {number} has no {said if not row.get(said) else label}")
        scenario = f"{row['scenario']} " if "scenario" in names and label == "intent" else ""
        examples.append((str(row[said]), f"{scenario}{row[label]}"))
    return examples


def looks_like(content: Any) -> bool:
    """Whether parsed JSON has the shape of CLINC150."""
    train: Any = cast("Record", content).get("train") if isinstance(content, dict) else None
    first: Any = cast("list[Any]", train)[0] if isinstance(train, list) and train else None
    return isinstance(first, list) and len(cast("list[Any]", first)) == 2


def looks_like_header(line: str) -> bool:
    """Whether a first line is the header of a CSV file of this form."""
    names = {name.strip() for name in line.replace(";", ",").split(",")}
    return bool(names & set(_TEXT)) and bool(names & set(_LABEL))
