"""Names and values that fill village sentences: real words split three ways, or random pseudo-words.

The real words (`lexicon.json`) are a selection of the CC0 lists of dariusk/corpora. Every word belongs to exactly
one split, decided by a hash of the word, so that names and values of a test conversation are never seen in training.
Pseudo-words, drawn fresh for every conversation, are what teaches a small model to copy instead of to memorise.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fairmem.data.village.splits import SPLITS, Split, split_of

_CONSONANTS = "bcdfghjklmnprstvwz"
_VOWELS = "aeiou"
_CAPITALISED = {"city", "country"}
_PER_CONVERSATION = 12
"""Pseudo-words drawn per kind: enough for changes, few enough to be quick."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Names of people and, per lexicon key (`city`, `job` ...), the values that facts can take."""

    names: tuple[str, ...]
    values: dict[str, tuple[str, ...]]


@cache
def real_lexicon(split: Split) -> Lexicon:
    """The real words of one split (about 70 / 12 / 18 % of them in train / val / test)."""
    lists: dict[str, list[str]] = json.loads(
        resources.files("fairmem.data.village").joinpath("lexicon.json").read_text(encoding="utf-8")
    )
    kept = {key: tuple(w for w in words if split_of(w) == split) for key, words in lists.items()}
    names = kept.pop("names")
    return Lexicon(names, kept)


@cache
def _all_words() -> frozenset[str]:
    """Every real name and value, in lower case: none is invented by chance, as another split may hold it."""
    lexicons = [real_lexicon(split) for split in SPLITS]
    names = {name.lower() for lexicon in lexicons for name in lexicon.names}
    return frozenset(names | {v.lower() for lexicon in lexicons for words in lexicon.values.values() for v in words})


def _pseudo_word(rng: random.Random) -> str:
    word = ""
    for _ in range(rng.choice((1, 2, 2, 3))):
        word += rng.choice(_CONSONANTS) + rng.choice(_VOWELS)
        if rng.random() < 0.35:
            word += rng.choice(_CONSONANTS)
    return word


def _spliced(rng: random.Random, words: tuple[str, ...]) -> str:
    """The beginning of one word and the end of another: letters fall as in real words, the whole is new."""
    head, tail = rng.choice(words).split(" ")[0].lower(), rng.choice(words).split(" ")[-1].lower()
    return head[: rng.randint(2, max(2, len(head) - 1))] + tail[-rng.randint(2, max(2, len(tail) - 1)) :]


def pseudo_lexicon(rng: random.Random, base: Lexicon, share: float = 0.8, spliced: float = 0.0) -> Lexicon:
    """A lexicon for one conversation in which each filler is a pseudo-word with probability `share`.

    The rest are words of `base`. Values have one or two words; cities and countries are capitalised. A share
    `spliced` of the pseudo-words is made of pieces of `base`'s words, the others are random syllables.
    """

    def invented(words: tuple[str, ...]) -> str:
        return _spliced(rng, words) if spliced and rng.random() < spliced else _pseudo_word(rng)

    real = _all_words()

    def filler(key: str) -> str:
        if rng.random() >= share:
            return rng.choice(base.values[key])
        while True:
            word = invented(base.values[key])
            if rng.random() < 0.3:
                word += " " + invented(base.values[key])
            if word not in real:
                break
        return word.title() if key in _CAPITALISED else word

    names: dict[str, None] = {}
    while len(names) < 6:
        name = invented(base.names).capitalize()
        if rng.random() >= share:
            name = rng.choice(base.names)
        elif name.lower() in real:  # "Mason" may be made up by chance; names of other splits must not be seen
            continue
        names[name] = None
    return Lexicon(tuple(names), {key: tuple(filler(key) for _ in range(_PER_CONVERSATION)) for key in base.values})
