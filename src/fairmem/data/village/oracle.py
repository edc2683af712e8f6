"""Reads canonical sentences back and says what perfect memory and a perfect answerer would do with them.

Used to check the generator (gold answers must follow from gold memory), to write demonstrations for
pretraining from any memory state, and to score a memory without a model. The sentences are the
canonical ones of `kinds.py`; anything else is unknown to the oracle and is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from fairmem.data.base import REFUSAL
from fairmem.data.dates import long_date
from fairmem.data.village.kinds import KINDS

UNKNOWN = REFUSAL
"""The answer when memory does not tell."""

QuestionForm = Literal["value", "list", "when", "pair"]


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

    `value` is the named value of `when` questions; `then` is the second kind that a `pair` question asks for.
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


_PATTERNS = [(_pattern(k.canonical), k.name, True) for k in KINDS.values()] + [
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


def _held(
    speaker: str, kind: str, memory: Sequence[tuple[Statement, str, datetime]]
) -> list[tuple[Statement, str, datetime]]:
    """What holds of `kind` for `speaker` after reading `memory` in order of time."""
    held: list[tuple[Statement, str, datetime]] = []
    for known in memory:
        s = known[0]
        if s.speaker != speaker:
            continue
        if s.kind == kind:
            if not s.holds:
                held = [h for h in held if h[0].value != s.value]
            elif not KINDS[kind].multiple:
                held = [known]
            elif all(h[0].value != s.value for h in held):
                held.append(known)
        elif kind == "plan" and s.kind == "trip":
            held = [h for h in held if h[0].value != s.value]
    return held


def support(spec: QuestionSpec, memory: Sequence[tuple[str, datetime]]) -> list[tuple[str, str]]:
    """What the answer to `spec` rests on: (sentence of `memory`, the part of the answer it gives) each.

    A pair of which memory knows one gives that one. Nothing is returned where memory does not tell.
    `memory` holds (sentence, time of its latest version), oldest first.
    """
    known = [(statement, text, time) for text, time in memory if (statement := read(text)) is not None]
    if spec.form == "when":
        for s, text, time in known:
            if s.holds and (s.speaker, s.kind, s.value) == (spec.speaker, spec.kind, spec.value):
                return [(text, long_date(time))]
        return []
    held = _held(spec.speaker, spec.kind, known)
    if spec.form == "pair":
        held += _held(spec.speaker, spec.then, known)
    return [(text, s.value) for s, text, _ in held]


def answer(spec: QuestionSpec, memory: Sequence[tuple[str, datetime]]) -> str:
    """The answer to `spec` from `memory`: (sentence, time of its latest version) pairs, oldest first."""
    return ", ".join(part for _, part in support(spec, memory) if part) or UNKNOWN
