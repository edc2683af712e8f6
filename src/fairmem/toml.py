"""Writing TOML: the standard library reads it and writes none.

Handles what a recipe holds: strings, booleans, integers, floats, arrays, tables and arrays of tables.
`tomllib.loads(dumps(data)) == data` for every such `data`; dates are not supported, None has no TOML form.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def dumps(data: Mapping[str, Any]) -> str:
    """`data` as the text of a TOML document, keys in their order, scalars before tables.

    Raises:
        TypeError: a value that has no TOML form (None, a date, an arbitrary object).
    """
    return "\n".join(_table(data, ())).lstrip("\n") + "\n"


def value(item: object) -> str:
    """One value on one line, mappings as inline tables."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, float):
        if math.isfinite(item):
            return repr(item)
        return "nan" if math.isnan(item) else ("inf" if item > 0 else "-inf")
    if isinstance(item, str):
        return _string(item)
    if isinstance(item, Mapping):
        pairs = cast("Mapping[str, object]", item).items()
        return "{" + ", ".join(f"{_key(name)} = {value(inner)}" for name, inner in pairs) + "}"
    if isinstance(item, Sequence):
        return "[" + ", ".join(value(inner) for inner in cast("Sequence[object]", item)) + "]"
    raise TypeError(f"TOML has no form for {type(item).__name__}: {item!r}")


def _string(text: str) -> str:
    # JSON escapes are TOML escapes; DEL is the one character TOML forbids raw and JSON does not escape.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _is_table_array(item: object) -> bool:
    if not isinstance(item, Sequence) or isinstance(item, str):
        return False
    members = cast("Sequence[object]", item)
    return len(members) > 0 and all(isinstance(member, Mapping) for member in members)


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """The lines of one table: its plain values, then its sub-tables under their headers."""
    lines: list[str] = []
    for name, item in data.items():
        if not isinstance(item, Mapping) and not _is_table_array(item):
            lines.append(f"{_key(name)} = {value(item)}")
    for name, item in data.items():
        header = ".".join(_key(part) for part in (*path, name))
        if isinstance(item, Mapping):
            lines += ["", f"[{header}]", *_table(cast("Mapping[str, Any]", item), (*path, name))]
        elif _is_table_array(item):
            for member in item:
                lines += ["", f"[[{header}]]", *_table(member, (*path, name))]
    return lines
