"""Finding the list of items in a reply that should be one JSON object, whatever the model put around or into it.

Looked for in this order: inside code fences, then in the whole text, the first balanced object that has the
key; then a list that was cut or never closed, of which the complete objects are taken; then a bare list of
objects. Braces inside strings do not count, and nesting is bounded before `json` sees it, so no reply can
exhaust the stack. All work is linear in the text, times a bounded number of tries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

_FENCE = re.compile(r"```(?:json|JSON)?\s*+(.*?)```", re.DOTALL)
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_MAX_DEPTH = 32
_MAX_TRIES = 64
_MAX_DIGITS = 18  # int() of more than 4300 digits raises, and no id needs more than these


class _Absent:
    """Marks a key that is not there; null is a value."""


_ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class JsonItems:
    """Items found under a key. `formed`: something of the expected form was there; `dropped`: reasons.

    `spans` says where in the reply each item stands, first character and the one after its last; None where an item is
    no object, or was not found again.
    """

    items: tuple[object, ...] = ()
    formed: bool = False
    dropped: tuple[str, ...] = ()
    spans: tuple[tuple[int, int] | None, ...] = field(default=(), compare=False)


def read_json_items(text: str, key: str) -> JsonItems:
    """The list under `key` in the JSON object of the reply `text`; never raises.

    A single object in place of the list counts as a list of one.
    """
    found = _read(text, key)
    return replace(found, spans=_spans(text, key, found.items)) if found.items else found


def _read(text: str, key: str) -> JsonItems:
    fences = [match[1] for _, match in zip(range(_MAX_TRIES), _FENCE.finditer(text), strict=False)]
    for source in (*fences, text):
        for value in _values(source, "{"):
            found = _under(value, key)
            if isinstance(found, list):
                return JsonItems(tuple(cast(list[object], found)), formed=True)
            if isinstance(found, dict):
                return JsonItems((cast(object, found),), formed=True)
            if not isinstance(found, _Absent):
                return JsonItems((), True, (f"'{key}' is {type(found).__name__}, not a list",))
    unclosed = re.search(rf'"{key}"\s*+:\s*+\[', text)
    if unclosed:
        return JsonItems(_complete_objects(text, unclosed.end()), True, ("the list is not closed",))
    for source in (*fences, text):
        for value in _values(source, "["):
            items = cast(list[object], value) if isinstance(value, list) else []
            if items and all(isinstance(item, dict) for item in items):
                return JsonItems(tuple(items), formed=True)
    return JsonItems()


def _spans(text: str, key: str, items: Sequence[object]) -> tuple[tuple[int, int] | None, ...]:
    """Where each item stands: the next object after the item before it that reads the same."""
    named = re.search(rf'"\s*+{key}\s*+"\s*+:', text, re.IGNORECASE)
    at = named.end() if named else 0
    found: list[tuple[int, int] | None] = []
    tries = _MAX_TRIES + len(items)
    for item in items:
        start, span = at, None
        while isinstance(item, dict) and tries > 0 and (start := text.find("{", start)) >= 0:
            tries -= 1
            end = _balanced_end(text, start)
            if end and _loads(text[start:end]) == item:
                span, at = (start, end), end
                break
            start += 1
        found.append(span)
    return tuple(found)


def _values(text: str, opening: str) -> Iterator[object]:
    """JSON values of `text` that start with `opening`, in order of their start."""
    start = text.find(opening)
    for _ in range(_MAX_TRIES):
        if start < 0:
            return
        end = _balanced_end(text, start)
        value = _loads(text[start:end]) if end else None
        if value is not None:
            yield value
        start = text.find(opening, start + 1)


def _balanced_end(text: str, start: int) -> int:
    """Where the object or list that opens at `start` ends; 0 if it does not, or nests too deeply."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        mark = token[0]
        if mark == '"':
            return 0  # a string that never ends
        if mark in "{[":
            depth += 1
            if depth > _MAX_DEPTH:
                return 0
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                return token.end()
    return 0


def _complete_objects(text: str, start: int) -> tuple[object, ...]:
    """The complete objects of a list whose first item is expected at `start`."""
    items: list[object] = []
    while opening := _OPENING.search(text, start):
        end = _balanced_end(text, opening.start())
        value = _loads(text[opening.start() : end]) if end else None
        if value is None:
            break
        items.append(value)
        start = end
    return tuple(items)


def _under(value: object, key: str) -> object:
    if isinstance(value, dict):
        for name, held in cast(dict[str, object], value).items():
            if name.strip().lower() == key:
                return held
    return _ABSENT


def _loads(text: str) -> object:
    """The JSON value of `text`, or None. Line breaks inside strings are allowed; NaN and huge integers become null."""
    try:
        return json.loads(text, strict=False, parse_int=_integer, parse_constant=_null)
    except ValueError:
        return None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def _null(_: str) -> None:
    return None
