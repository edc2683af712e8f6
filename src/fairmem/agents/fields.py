"""Reading the fields of one JSON item of a reply. A field that cannot be used raises `Unusable` with the reason.

`Unusable` stays inside this package: the parsers catch it and put its text among the dropped items.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

from fairmem.agents.parsing import snippet
from fairmem.agents.wording import one_line
from fairmem.types import Turn

_ID = re.compile(r"\s*#?([0-9]{1,9})\s*")


class Unusable(ValueError):
    """Why an item of a reply cannot be used."""


def as_object(item: object) -> Mapping[str, object]:
    """`item` as a JSON object."""
    if not isinstance(item, dict):
        raise Unusable(f"not an object: {snippet(str(item))}")
    return cast(dict[str, object], item)


def read_sentence(item: Mapping[str, object], key: str) -> str:
    """The text under `key`, on one line and not empty."""
    value = item.get(key)
    if not isinstance(value, str):
        raise Unusable(f"'{key}' is not a text: {snippet(str(value))}")
    text = one_line(value)
    if not text:
        raise Unusable(f"'{key}' is empty")
    return text


def read_turn(item: Mapping[str, object], turns: Mapping[str, Turn]) -> Turn:
    """The turn that `dia_id` names; of a list, or of several ids with commas, the first."""
    value = item.get("dia_id")
    if isinstance(value, list):
        several = cast(list[object], value)
        value = several[0] if several else None
    if isinstance(value, str):
        turn = turns.get(value.strip()) or turns.get(value.split(",")[0].strip())
        if turn is not None:
            return turn
    raise Unusable(f"no turn {snippet(str(value))} in this chunk")


def read_speaker(item: Mapping[str, object], speakers: Sequence[str], default: str) -> str:
    """The participant that `speaker` names, in whatever case; `default` if no speaker is given."""
    value = item.get("speaker")
    if value is None:
        value = default
    if isinstance(value, str):
        name = one_line(value).casefold()
        for speaker in speakers:
            if one_line(speaker).casefold() == name:
                return speaker
    raise Unusable(f"no speaker {snippet(str(value))} in this conversation")


def read_entry_id(item: Mapping[str, object], shown: Sequence[int]) -> int:
    """The entry that `memory_id` names, a number or its digits, among the ids that were shown."""
    value = item.get("memory_id")
    if isinstance(value, str):
        digits = _ID.fullmatch(value)
        value = int(digits[1]) if digits else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in shown:
        return value
    raise Unusable(f"no entry {snippet(str(value))} among those shown")
