"""Overrides on the command line: `section.key=value`, put into the content of a recipe file."""

from __future__ import annotations

import tomllib
from typing import Any, cast

from fairmem.errors import ConfigError


def parse_value(text: str) -> Any:
    """The value of an override: TOML syntax, where strings may go without quotes, also inside a list."""
    text = text.strip()
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    if parsed.keys() == {"value"}:
        return parsed["value"]
    if text.startswith("[") and text.endswith("]"):
        return [parse_value(item) for item in text[1:-1].split(",") if item.strip()]
    return text


def put(data: dict[str, Any], override: str) -> None:
    """Put one `a.b.c=value` into `data`; a number in the path is an index into an array."""
    key, sign, text = override.partition("=")
    parts = key.strip().split(".")
    if not sign or not all(parts):
        raise ConfigError(f"override '{override}': expected KEY=VALUE, as in learner.lr=1e-4")
    place: Any = data
    for depth, part in enumerate(parts[:-1]):
        if isinstance(place, list):
            place = cast("list[Any]", place)[_index(cast("list[Any]", place), part, override)]
            continue
        if not isinstance(place, dict):
            raise ConfigError(f"override '{override}': '{'.'.join(parts[:depth])}' holds a value, not a section")
        # The default stages are not in the file, so an index into them needs them spelled out first.
        missing: Any = [{}] if part == "stages" and depth == 0 else {}
        place = cast("dict[str, Any]", place).setdefault(part, missing)
    if isinstance(place, list):
        members = cast("list[Any]", place)
        members[_index(members, parts[-1], override)] = parse_value(text)
    elif isinstance(place, dict):
        place[parts[-1]] = parse_value(text)
    else:
        raise ConfigError(f"override '{override}': '{'.'.join(parts[:-1])}' holds a value, not a section")


def _index(members: list[Any], part: str, override: str) -> int:
    if not part.isdecimal() or int(part) >= len(members):
        raise ConfigError(f"override '{override}': '{part}' is no index into a list of {len(members)} (0 is the first)")
    return int(part)
