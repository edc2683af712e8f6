"""Reading fields of JSON records from files that may not be what they seem; every failure is one clear `DataError`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from fairmem.errors import DataError

Record = dict[str, Any]
"""One JSON object."""
Named = TypeVar("Named")
_SHOWN = 5
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""JSON's escape for half of a pair; pairs match too, and come out as they are."""

_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "text", int: "an integer", type(None): "null"}


def read_json(path: Path, hint: str) -> Any:
    """The content of the JSON file at `path`; `hint` as for `read_text`."""
    text = read_text(path, hint)
    if not text.strip():
        raise DataError(f"{path}: empty")
    try:
        return _writable(json.loads(text), text)
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not a JSON file: {error}") from error


def read_records(path: Path, hint: str) -> list[Record]:
    """The objects of a file that holds one JSON list of them, or one of them per line."""
    text = read_text(path, hint)
    if text.lstrip().startswith("["):
        content: Any = read_json(path, hint)
        return objects({"items": content}, "items", str(path))
    found: list[Record] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                record: Any = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}: line {number} is not JSON: {error}") from error
            if not isinstance(record, dict):
                raise DataError(f"{path}: line {number}: expected an object, found {kind_of(record)}")
            found.append(cast("Record", _writable(record, line)))
    if not found:
        raise DataError(f"{path}: empty")
    return found


def _writable(value: Any, text: str) -> Any:
    """`value`, parsed from `text`, without halves of surrogate pairs: no file and no request could hold them."""
    if not _SURROGATE.search(text):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_writable(item, text) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {_writable(key, text): _writable(item, text) for key, item in cast("dict[str, Any]", value).items()}
    return value


def text_of(record: Record, key: str, place: str) -> str:
    """`record[key]` as text; numbers count as their text."""
    if type(record.get(key)) in (int, float):
        return str(record[key])
    return get(record, key, str, place)


def kind_of(value: object) -> str:
    """What `value` is, in the words of a JSON file: "an object", "a list", "text", ..."""
    return _KINDS.get(type(value), type(value).__name__)


def read_text(path: Path, hint: str, encoding: str = "utf-8") -> str:
    """The text of the file at `path`; `hint` ends the error for a missing file and says where to get it."""
    try:
        return path.read_text(encoding=encoding).removeprefix("\ufeff")  # a byte order mark
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {hint}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a UTF-8 text file: {error.reason} at byte {error.start}") from error


def get(record: Record, key: str, kind: type, place: str) -> Any:
    """`record[key]`, which must be of `kind`; `place` says in the error where the record is. True is no integer."""
    if key not in record:
        raise DataError(f"{place}: key '{key}' is missing")
    value = record[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DataError(f"{place}: key '{key}' should be {_KINDS[kind]}, found {kind_of(value)}")
    return value


def get_or(record: Record, key: str, kind: type, default: Any, place: str) -> Any:
    """Like `get`, with `default` where the key is absent."""
    return get(record, key, kind, place) if key in record else default


def objects(record: Record, key: str, place: str) -> list[Record]:
    """`record[key]`, which must be a list of objects."""
    items: list[Any] = get(record, key, list, place)
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise DataError(f"{place}: item {number} of '{key}' should be an object, found {kind_of(item)}")
    return cast("list[Record]", items)


def chosen(found: Mapping[str, Named], names: Sequence[str] | None, place: object, what: str) -> dict[str, Named]:
    """What `found` holds under `names` (one or several ids), in its own order; None takes all.

    Raises:
        DataError: an id that is not there; the message begins with `place` and calls it a `what`.
    """
    if names is None:
        return dict(found)
    wanted = {names} if isinstance(names, str) else set(names)
    if missing := sorted(wanted - found.keys()):
        held = ", ".join(list(found)[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise DataError(f"{place}: no {what} '{missing[0]}'; it has {len(found)}: {held}")
    return {name: item for name, item in found.items() if name in wanted}
