"""Which option of a multiple-choice question an answer picks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fairmem.metrics.text import normalise

_LETTER = re.compile(
    r"(?:(?:the\s+)?(?:answer|option)(?:\s+is)?\s*:?\s*)?\(?([a-z])(?:\)|\.(?=\s|$)|:|$)", re.IGNORECASE
)


def picked_option(answer: str, options: Sequence[str]) -> str:
    """The text of the option that `answer` picks; `answer` itself where there are no options or it picks none.

    An option is picked by its letter at the start ("(b)", "b", "B. Porto", "Answer: b") or by its text.
    """
    if not options:
        return answer
    for option in options:
        if normalise(option) == normalise(answer):
            return option
    match = _LETTER.match(answer.strip())
    place = ord(match[1].lower()) - ord("a") if match else len(options)
    return options[place] if place < len(options) else answer
