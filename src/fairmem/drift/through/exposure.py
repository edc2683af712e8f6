"""Exposure: how much of what an arm told reached the prompt, whichever way the memory system put it.

A told memory *reached* the prompt if an entry in it

- names the turn in which the memory was told, where a system keeps provenance (turns, fairmem's own entries);
- or else has more than half of the memory's distinct content words (stems, without function words): `HALF`.

It was *kept* if an entry of the whole memory does so. The *content* that reached the prompt is measured the same way
for every system: per told memory the largest share of its content words that one entry in the prompt has, averaged.
Provenance says where an entry came from even if nothing of it is left; content says what is left, and takes a
paraphrase in other words for a loss. So both are reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairmem.memory.terms import term_counts, words

HALF = 0.5
"""An entry without provenance carries a memory if it has more than this share of its content words.

Over the scenarios that ship, no two memories of one arm share as much (a test holds it).
"""


class Entry(Protocol):
    """Something a memory holds: its text, and the turns it names."""

    @property
    def text(self) -> str:
        """What it says."""
        ...

    @property
    def sources(self) -> Sequence[str]:
        """Turns it came from, as far as the system says."""
        ...


@dataclass(frozen=True, slots=True)
class Exposure:
    """Of one arm of one scenario.

    Attributes:
        told: Memories of the arm's own (of the relevant arm: the relevant ones, not what it is filled up with).
        kept: How many of them the memory system kept.
        reached: How many of them reached the prompt.
        content: Mean share of their content words that reached it, in [0, 1].
        lines: Entries in the prompt, whatever they carry.
    """

    told: int
    kept: int
    reached: int
    content: float
    lines: int


def coverage(memory: str, entry: str) -> float:
    """Share of the distinct content words of `memory` that `entry` has; one without any is there in full or not."""
    wanted = set(term_counts(memory)[0])
    if not wanted:
        return float(bool(words(memory)) and " ".join(words(memory)) in " ".join(words(entry)))
    return len(wanted & set(term_counts(entry)[0])) / len(wanted)


def carried(memory: str, turn: str, entry: Entry, *, traces: bool) -> bool:
    """Whether `entry` carries `memory`, told in `turn`: by provenance if the system `traces`, else by its words."""
    return turn in entry.sources if traces else coverage(memory, entry.text) > HALF


def exposure(
    told: Iterable[tuple[str, str]], stored: Sequence[Entry], found: Sequence[Entry], *, traces: bool
) -> Exposure:
    """What became of the memories `told`, pairs of (turn id, text), in a memory and in the prompt made from it."""
    pairs = list(told)
    kept = sum(any(carried(text, turn, entry, traces=traces) for entry in stored) for turn, text in pairs)
    reached = sum(any(carried(text, turn, entry, traces=traces) for entry in found) for turn, text in pairs)
    shares = [max((coverage(text, entry.text) for entry in found), default=0.0) for _, text in pairs]
    return Exposure(len(pairs), kept, reached, sum(shares) / len(pairs) if pairs else 0.0, len(found))
