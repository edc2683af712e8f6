"""Which words and phrasings belong to which split, decided by a hash of the text alone.

A phrasing is written as a small grammar: `[a|b|]` stands for one of its alternatives, so a few lines give hundreds of
phrasings. Each finished phrasing belongs to exactly one of train, val and test, as each name and value does: a test
conversation is said in combinations that training never saw, made of words that it did.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from functools import cache
from typing import Literal

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SPACES = re.compile(r" +(?=[.,?!]|$)")


def split_of(text: str, what: str = "split") -> Split:
    """The split of `text`: about 70 / 12 / 18 % of all texts are in train / val / test. `what` salts the hash."""
    digest = hashlib.sha256(f"village {what}: {text.lower()}".encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    return SPLITS[0] if share < 0.7 else SPLITS[1] if share < 0.82 else SPLITS[2]


def expand(line: str) -> tuple[str, ...]:
    """Every phrasing that the grammar `line` stands for, each once, in the order of its alternatives."""
    parts = _CHOICE.split(line)
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    texts = ("".join(chosen) for chosen in itertools.product(*choices))
    return tuple(dict.fromkeys(_SPACES.sub("", " ".join(text.split())) for text in texts))


@cache
def phrasings(lines: tuple[str, ...], split: Split) -> tuple[str, ...]:
    """The phrasings of the grammar `lines` that belong to `split`."""
    texts = dict.fromkeys(text for line in lines for text in expand(line))
    return tuple(text for text in texts if split_of(text, "phrasing") == split)
