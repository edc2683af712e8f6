"""Reads canonical sentences back and says what perfect memory and a perfect answerer would do with them.

Used to check the generator (gold answers must follow from gold memory), to write demonstrations for
pretraining from any memory state, and to score a memory without a model. The sentences are the
canonical ones of `phrasing.py`; anything else is unknown to the oracle and is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from fairmem.data.village.phrasing import KINDS

UNKNOWN = "no information"
"""The answer when memory does not tell."""

QuestionForm = Literal["value", "list", "when", "whether", "two_hop"]


@dataclass(frozen=True, slots=True)
class Statement:
    """A canonical sentence, read: `holds` is False for "no longer" sentences."""

    speaker: str
    kind: str
    value: str
    holds: bool


@dataclass(frozen=True, slots=True)
class QuestionSpec:
    """What a question asks for, in a form the oracle can answer from any memory.

    `value` is the named value of `when`, `whether` and `two_hop` questions; `then` is the kind that a
    two-hop question asks for after finding the person whose `kind` is `value`.
    """

    form: QuestionForm
    speaker: str
    kind: str
    value: str = ""
    then: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a careful manager does with one fact: an op name and the position of the entry it concerns."""

    op: Literal["INSERT", "UPDATE", "DELETE", "NOOP"]
    position: int | None = None


def _pattern(sentence: str) -> re.Pattern[str]:
    text = re.escape(sentence).replace(r"\{n\}", r"(?P<n>\w+)").replace(r"\{v\}", "(?P<v>.+?)")
    return re.compile(text.replace(r"\{a\}", "an?"))


_PATTERNS = [(_pattern(s), k.name, True) for k in KINDS.values() for s in k.canonical] + [
    (_pattern(k.gone), k.name, False) for k in KINDS.values() if k.gone
]


@lru_cache(maxsize=65536)
def read(sentence: str) -> Statement | None:
    """The statement a canonical sentence makes, or None when it is not canonical."""
    for pattern, kind, holds in _PATTERNS:
        match = pattern.fullmatch(sentence)
        if match:
            return Statement(match["n"], kind, match["v"], holds)
    return None


def decide(fact: str, entries: Sequence[str]) -> Decision:
    """What to do with `fact` given the `entries` shown (oldest first); positions count from 0."""
    new = read(fact)
    if new is None:
        return Decision("INSERT")
    same_value: int | None = None
    same_kind: int | None = None
    planned: int | None = None
    for position, text in enumerate(entries):
        old = read(text)
        if old is None or old.speaker != new.speaker:
            continue
        if old.kind == new.kind and old.holds:
            same_kind = position
            if old.value == new.value:
                same_value = position
        if new.kind == "trip" and old.kind == "plan" and old.value == new.value and old.holds:
            planned = position
    if not new.holds:
        return Decision("NOOP") if same_value is None else Decision("DELETE", same_value)
    if KINDS[new.kind].multiple:
        if same_value is not None:
            return Decision("NOOP", same_value)
        return Decision("INSERT") if planned is None else Decision("UPDATE", planned)
    if same_kind is None:
        return Decision("INSERT")
    if same_value == same_kind:
        return Decision("NOOP", same_kind)
    return Decision("UPDATE", same_kind)


def _held(speaker: str, kind: str, statements: Sequence[Statement]) -> list[str]:
    """Values of `kind` that hold for `speaker` after reading `statements` in order of time."""
    values: list[str] = []
    for s in statements:
        if s.speaker != speaker:
            continue
        if s.kind == kind:
            if not s.holds:
                values = [v for v in values if v != s.value]
            elif not KINDS[kind].multiple:
                values = [s.value]
            elif s.value not in values:
                values.append(s.value)
        elif kind == "plan" and s.kind == "trip":
            values = [v for v in values if v != s.value]
    return values


def answer(spec: QuestionSpec, memory: Sequence[tuple[str, datetime]]) -> str:
    """The answer to `spec` from `memory`: (sentence, time of its latest version) pairs, oldest first."""
    read_all = [(statement, time) for text, time in memory if (statement := read(text)) is not None]
    statements = [statement for statement, _ in read_all]
    if spec.form == "when":
        for s, time in read_all:
            if s.holds and (s.speaker, s.kind, s.value) == (spec.speaker, spec.kind, spec.value):
                return long_date(time)
        return UNKNOWN
    if spec.form == "two_hop":
        for person in dict.fromkeys(s.speaker for s in statements):
            if spec.value in _held(person, spec.kind, statements):
                values = _held(person, spec.then, statements)
                return ", ".join(values) if values else UNKNOWN
        return UNKNOWN
    values = _held(spec.speaker, spec.kind, statements)
    if not values:
        return UNKNOWN
    if spec.form == "whether":
        return "yes" if spec.value in values else "no"
    return ", ".join(values)


def long_date(time: datetime) -> str:
    """`7 May 2023`."""
    return f"{time.day} {time:%B} {time.year}"
