"""What every memory in an evaluation owes: `MemoryBackend`, and `Built`, what became of one conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fairmem.memory import Entry, Memory
from fairmem.types import Conversation, Question


@dataclass(frozen=True, slots=True)
class Built:
    """A memory after the last session. `bank` is None if it could not be built; `failure` then says why.

    `ops` counts operations (`OP outcome`), `parse` replies (`role outcome`), where there are such. `calls` were made to
    build it, `failures` of them failed; their tokens are counted from the texts. `growth` has the live entries after
    each session.
    """

    bank: Memory | None
    ops: dict[str, int] = field(default_factory=dict[str, int])
    parse: dict[str, int] = field(default_factory=dict[str, int])
    failure: str | None = None
    calls: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    growth: tuple[int, ...] = ()


class MemoryBackend(Protocol):
    """Keeps memories and finds entries in them.

    Attributes:
        name: What reports call it.
        traces: Whether entries name the turns they came from.
    """

    name: str
    traces: bool

    def build(self, conversations: Sequence[Conversation]) -> list[Built]:
        """One memory per conversation, in order. Failed model calls make a `Built` without a bank, no exception."""
        ...

    def search(self, bank: Memory, question: Question, conversation: Conversation) -> tuple[Entry, ...]:
        """The entries for `question`, which is asked of `conversation`, best first."""
        ...


def speaker_of(line: str, speakers: Sequence[str]) -> str:
    """Who an entry without a speaker is about: the first one that `line` names, else the first of all."""
    named = [(match.start(), name) for name in speakers if (match := re.search(rf"\b{re.escape(name)}\b", line))]
    return min(named)[1] if named else speakers[0]
