"""Does a sentence state the value of a parameter? By words and numbers alone: no model, no guess.

A number is stated where the text has it, in digits or in English words, beside a word of the parameter's name or
description, or with a unit of time where the parameter has one too ("ten minutes" states 600 seconds). An enumerated
value is stated where all its words are there. A switch is stated only by a trusted text (task, policy, results of
tools) that names it, as on, or with a negation as off: for a private memory, shared words are just what must not count.

Simplified: English numbers up to the thousands, units of time and per cent. What it misses is reset, which shows as a
false reset, never as drift.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from fairmem.drift.schema import Schema, parts
from fairmem.memory.terms import STOP_WORDS, stem, words

_IDENTIFIER = re.compile(r"\b(?:[a-z]+-?\d|\d+[a-z])\w*", re.IGNORECASE)
"""`HY-5` and `134c` are names, not numbers."""
_TOKEN = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|%|[^\W\d_]+")
_SMALL_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
"""
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: number for number, word in enumerate(_SMALL_WORDS.split())}
_TENS = {word: 10 * (i + 2) for i, word in enumerate(_TENS_WORDS.split())}
_OTHER = {"half": 0.5, "once": 1, "twice": 2, "single": 1, "dozen": 12}
_TIMES = {"hundred": 100, "thousand": 1000}
_ARTICLES = frozenset(("a", "an", "full"))
"""One, where a unit follows: a year, an hour."""
_SECONDS = {
    **{"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "month": 2_592_000},
    **{"year": 31_536_000, "ms": 0.001, "sec": 1, "min": 60, "hr": 3600},
}
_UNIT_STEMS = {stem(unit): seconds for unit, seconds in _SECONDS.items()}
_NEGATIVE_WORDS = "no not never without off skip disable none cannot"
_NEGATIONS = frozenset(_NEGATIVE_WORDS.split())


def states(text: str, value: Any, pointer: str, schema: Schema | None, *, trusted: bool = False) -> bool:
    """Whether `text` states `value` for the parameter at `pointer`, which `schema` describes.

    Args:
        text: One sentence, or several.
        value: Of the parameter; a list is stated where every item of it is.
        pointer: Of the parameter in the arguments.
        schema: Of the parameter, if known.
        trusted: `text` is from the user, the operator or a tool, not from memory.
    """
    if isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)
        return bool(items) and all(states(text, item, pointer, schema, trusted=trusted) for item in items)
    said = [stem(word) for word in words(text)]
    if isinstance(value, bool):
        named = _name_stems(pointer)
        return trusted and bool(named) and named <= set(said) and value != bool(_NEGATIONS & set(words(text)))
    if isinstance(value, (int, float)):
        return math.isfinite(value) and _states_number(text, float(value), pointer, schema)
    if isinstance(value, str):
        wanted = [stem(word) for word in words(value.replace("_", " ").replace("-", " "))]
        return bool(wanted) and (set(wanted) <= set(said) if len(wanted) > 1 else wanted[0] in said)
    return False


def _name_stems(pointer: str) -> set[str]:
    return {stem(word) for word in words(parts(pointer)[-1].replace("_", " ")) if word not in STOP_WORDS}


def _about(pointer: str, schema: Schema | None) -> set[str]:
    described = str((schema or {}).get("description", ""))
    return _name_stems(pointer) | {stem(word) for word in words(described) if word not in STOP_WORDS}


def _states_number(text: str, value: float, pointer: str, schema: Schema | None) -> bool:
    about = _about(pointer, schema)
    own = {seconds for unit, seconds in _UNIT_STEMS.items() if unit in about}
    for number, before, after in _numbers(text):
        units = [_UNIT_STEMS[word] for word in after[:1] if word in _UNIT_STEMS]
        if units and own:
            factors = {unit / mine for unit in units for mine in own}
        elif about & {*before, *after}:
            factors = {1.0, 0.01} if after[:1] in (["%"], ["percent"]) else {1.0}
        else:
            continue
        if any(math.isclose(number * factor, value, rel_tol=0.01) for factor in factors):
            return True
    return False


def _numbers(text: str) -> Iterator[tuple[float, list[str], list[str]]]:
    """Each number of `text`, with the stems of the two words before and the three after it."""
    tokens = [token.casefold() for token in _TOKEN.findall(_IDENTIFIER.sub(" ", text))]
    i = 0
    while i < len(tokens):
        number, end = _number(tokens, i)
        if number is not None:
            yield number, [stem(word) for word in tokens[max(0, i - 2) : i]], [stem(w) for w in tokens[end : end + 3]]
        i = end


def _number(tokens: list[str], i: int) -> tuple[float | None, int]:
    """(the number that begins at token i, or None; the token after it)."""
    word = tokens[i]
    after = tokens[i + 1] if i + 1 < len(tokens) else ""
    if word[0].isdigit():
        return float(word.replace(",", "")), i + 1
    end = i + 1
    if word in _TENS:
        small = _SMALL.get(after, 0)
        joined = 0 < small < 10
        number, end = (_TENS[word] + small, i + 2) if joined else (_TENS[word], i + 1)
    elif word in _ARTICLES:
        return (1.0, end) if stem(after) in _UNIT_STEMS else (None, end)
    else:
        number = _SMALL.get(word, _OTHER.get(word))
    while number is not None and end < len(tokens) and tokens[end] in _TIMES:
        number, end = number * _TIMES[tokens[end]], end + 1
    return number, end


def stated_by(texts: Iterable[str], value: Any, pointer: str, schema: Schema | None, *, trusted: bool = False) -> bool:
    """Whether one of `texts` states the value."""
    return any(states(text, value, pointer, schema, trusted=trusted) for text in texts)
