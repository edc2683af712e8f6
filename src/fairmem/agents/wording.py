"""How dates, turns and free text are worded inside prompts, for both prompt families.

Everything here is total: any `str` goes in, one printable line comes out. A line break inside a turn or a
memory entry would let its text pose as another turn or another entry.
"""

from __future__ import annotations

import re

from fairmem.data import REFUSAL
from fairmem.data.dates import long_date
from fairmem.types import Turn

__all__ = ["NO_INFORMATION", "compact_line", "long_date", "one_line", "says_no_information", "turn_text"]

NO_INFORMATION = REFUSAL
"""The answer that says the memory does not hold what was asked."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def one_line(text: str) -> str:
    """`text` on one line: control characters and runs of white space become one space, lone surrogates U+FFFD.

    A lone surrogate (JSON allows it as an escape) can be neither hashed as UTF-8 nor tokenised.
    """
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return " ".join(text.split())


def compact_line(text: str) -> str:
    """`one_line` with `<` written as `(`, so that data cannot contain a special token of a compact model."""
    return one_line(text).replace("<", "(")


def turn_text(turn: Turn) -> str:
    """What a turn says; an image sent with it is described in brackets."""
    return turn.text if turn.caption is None else f"{turn.text} (shows an image: {turn.caption})"


def says_no_information(answer: str) -> bool:
    """Whether `answer` is the agreed way to say that memory does not hold what was asked."""
    return answer.strip().rstrip(".").lower() == NO_INFORMATION
