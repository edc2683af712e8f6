"""Whether two sets of conversations share originals: training on what is tested is refused.

Compared are lines and quoted texts of at least `SHORTEST` words, and a sample of the stretches of `STRETCH` words, so
that an original is recognised however it was cut and dressed. Mem-alpha's published training data hold the contexts,
questions and answers of two of its test columns; this is what finds such a thing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence

from fairmem.errors import DataError
from fairmem.types import Conversation

SHORTEST = 4
"""Words below which a line says nothing of its origin."""
STRETCH = 13
"""Words of a stretch, as is usual in contamination checks."""
_SAMPLED = 8  # One stretch of so many is kept, chosen by its hash: the same ones in every text.
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)+)"')
_DIALOGUE = re.compile(r"^I took note of it\.$")


def overlap(train: Iterable[Conversation], test: Iterable[Conversation]) -> list[tuple[str, str, str]]:
    """(training conversation, test conversation, a text they share) for each test conversation that shares one."""
    known: dict[bytes, str] = {}
    for talk in train:
        for mark, _ in _marks(talk):
            known.setdefault(mark, talk.id)
    found: list[tuple[str, str, str]] = []
    for talk in test:
        shared = next(((known[mark], text) for mark, text in _marks(talk) if mark in known), None)
        if shared is not None:
            found.append((shared[0], talk.id, shared[1]))
    return found


def refuse_overlap(train: Sequence[Conversation], test: Sequence[Conversation]) -> None:
    """Raise a `DataError` that names the first shared text if training and test conversations share originals."""
    found = overlap(train, test)
    if found:
        first, second, text = found[0]
        raise DataError(
            f"{len(found)} test conversation(s) share texts with training ones: '{first}' and '{second}' both hold "
            f"'{text[:80]}'; take train and test from different originals"
        )


def _marks(talk: Conversation) -> Iterator[tuple[bytes, str]]:
    """(fingerprint, text) of everything compared in a conversation."""
    said = [turn.text for session in talk.sessions for turn in session.turns if not _DIALOGUE.match(turn.text)]
    for text in said:
        for line in text.splitlines():
            yield from _short(line)
        words = _words(text)
        for start in range(len(words) - STRETCH + 1):
            stretch = " ".join(words[start : start + STRETCH])
            mark = _mark(stretch)
            if mark[0] % _SAMPLED == 0:
                yield mark, stretch
    for text in (*said, *(question.text for question in talk.questions)):
        for quoted in _QUOTED.findall(text):
            yield from _short(quoted)


def _short(text: str) -> Iterator[tuple[bytes, str]]:
    words = _words(text)
    if len(words) >= SHORTEST:
        yield _mark(" ".join(words)), " ".join(words)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _mark(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
