"""Rewords what is said and asked in demonstrations, so that a model learns cue words instead of whole phrases.

The generator has six to eight ways to state a fact; a small model soon knows them by heart and is lost on a ninth.
Fillers put in and function words left out leave what is said unchanged. Values are never touched.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

_FILLERS = (
    "just",
    "really",
    "finally",
    "now",
    "recently",
    "actually",
    "these days",
    "at last",
    "by now",
    "also",
    "well",
    "honestly",
    "today",
    "in the end",
    "of course",
    "as you know",
    "at the moment",
    "for sure",
)
_DROPPABLE = {"I", "have", "am", "a", "an", "the", "just", "now", "to", "my", "My", "so", "it", "We", "new", "been"}
_HELD = "\u241f"


def reword(text: str, held: Sequence[str], rng: random.Random) -> str:
    """`text` with one to three small edits outside the values `held`."""
    for index, value in enumerate(held):
        text = text.replace(value, f"{_HELD}{index}{_HELD}")
    words = text.split(" ")
    for _ in range(rng.choice((1, 1, 2, 3))):
        if rng.random() < 0.6:
            words.insert(rng.randrange(len(words)), rng.choice(_FILLERS))
        else:
            at = rng.randrange(len(words))
            if words[at] in _DROPPABLE and len(words) > 2:
                del words[at]
    text = " ".join(words)
    for index, value in enumerate(held):
        text = text.replace(f"{_HELD}{index}{_HELD}", value)
    return text


def reword_question(text: str, rng: random.Random) -> str:
    """`text` with a filler before its question mark or in front."""
    if rng.random() < 0.7:
        return f"{text[:-1]} {rng.choice(('now', 'these days', 'today', 'at the moment', 'by now'))}?"
    return f"{rng.choice(('So', 'Well', 'Actually', 'Tell me'))}, {text[0].lower()}{text[1:]}"
