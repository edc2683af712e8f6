"""What the agents pass on: where a call stands in a conversation, and the facts an extractor found there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fairmem.memory import Entry, Hit, OpContext
from fairmem.types import Chunk, Conversation, Turn


@dataclass(frozen=True, slots=True)
class TurnContext:
    """One chunk of one conversation: all that the extractor and the manager may refer to.

    Attributes:
        conversation: Conversation id.
        speakers: Names of the participants.
        session: Session number, from 1.
        chunk: Index of the chunk within the session, from 0.
        time: The session's date.
        turns: The turns of the chunk.
    """

    conversation: str
    speakers: tuple[str, ...]
    session: int
    chunk: int
    time: datetime
    turns: tuple[Turn, ...]

    @classmethod
    def from_chunk(cls, conversation: Conversation, chunk: Chunk) -> TurnContext:
        """The context of `chunk`, a slice of one of the sessions of `conversation`."""
        return cls(conversation.id, conversation.speakers, chunk.session, chunk.index, chunk.time, chunk.turns)

    @property
    def turn_ids(self) -> frozenset[str]:
        """Ids of the chunk's turns: what a fact or an operation may give as its source."""
        return frozenset(turn.id for turn in self.turns)

    def op_context(self) -> OpContext:
        """What operations decided in this context may refer to."""
        return OpContext(self.session, self.time, self.speakers, self.turn_ids)


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence about `speaker`, said in the turn with id `source`."""

    speaker: str
    text: str
    source: str


def by_update(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """`entries` in the order in which every prompt shows them: by time of the last update, then by id."""
    return tuple(sorted(entries, key=lambda entry: (entry.updated_time, entry.id)))


def nearest(hits: Iterable[Hit], most: int) -> tuple[Entry, ...]:
    """The `most` best of the entries found, each once with its best score, in the order of `by_update`."""
    best: dict[int, tuple[float, Entry]] = {}
    for hit in hits:
        known = best.get(hit.entry.id)
        if known is None or hit.score > known[0]:
            best[hit.entry.id] = (hit.score, hit.entry)
    kept = sorted(best.values(), key=lambda found: (-found[0], found[1].id))[:most]
    return by_update(entry for _, entry in kept)
