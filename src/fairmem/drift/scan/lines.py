"""On which line of a JSON document the value of a pointer stands."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|//[^\n]*|/\*.*?\*/|[{}\[\],:\n]', re.DOTALL)


def lines_of(text: str, pointers: Collection[str]) -> dict[str, int]:
    """Pointer -> line, from 1, of those of `pointers` that are in the JSON document `text`, comments allowed.

    A value's line is that of its key, or of its first character in a list. One pass over the text; a broken document
    gives the lines up to where it breaks.
    """
    wanted = set(pointers)
    found: dict[str, int] = {"": 1} if "" in wanted else {}
    stack: list[tuple[str, int]] = []  # pointer of each container around, and the index in it: -1 for an object
    line, key, expects_key = 1, "", False
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark == "\n":
            line += 1
            continue
        if mark[0] == "/":
            line += mark.count("\n")
        elif mark[0] == '"':
            if expects_key and stack:
                key = f"{stack[-1][0]}/{_step(mark)}"
                expects_key = False
                if key in wanted:
                    found.setdefault(key, line)
        elif mark in "{[":
            here = _here(stack, key)
            if here in wanted:
                found.setdefault(here, line)
            stack.append((here, -1 if mark == "{" else 0))
            expects_key = mark == "{"
        elif mark in "}]" and stack:
            stack.pop()
            expects_key = False
        elif mark == "," and stack:
            around, index = stack[-1]
            expects_key = index < 0
            if index >= 0:
                stack[-1] = (around, index + 1)
    return found


def _here(stack: list[tuple[str, int]], key: str) -> str:
    """Pointer of the container that opens now."""
    if not stack:
        return ""
    around, index = stack[-1]
    return key if index < 0 else f"{around}/{index}"


def _step(quoted: str) -> str:
    """A key as a step of a pointer."""
    try:
        name = json.loads(quoted, strict=False)
    except ValueError:
        name = quoted[1:-1]
    return str(name).replace("~", "~0").replace("/", "~1")
