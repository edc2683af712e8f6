"""One thing remembered about one speaker, with where it came from and what it said before.

Entries are frozen: an operation makes a new version that carries the earlier ones as `history`. Both the
time an entry was made and the time it was last written or confirmed are kept, because an answerer that is
shown only the first gets the date of every updated fact wrong.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Revision:
    """An earlier content of an entry: the text, the op that wrote it, when, and its provenance at that time."""

    content: str
    op: str
    session: int
    time: datetime
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One remembered sentence about `speaker`.

    Attributes:
        id: Number within its bank, from 1, never used again.
        created_session: Session number (from 1) in which the entry was made.
        updated_session: Session in which it was last written, or last confirmed by an exact repeat.
        sources: Ids of the turns that support it, in order of attachment, each once.
        op: Name of the operation that wrote `content`.
        history: Earlier contents, oldest first.
        deleted_session: Session that deleted it; None while it is live. Deleted entries stay for lineage.
        deleted_source: Turn given as the reason for the deletion, if any.
        digest: 16-byte BLAKE2b of what the entry says (id, speaker, content, times, set of sources). Lineage
            is left out: two entries that read the same have the same digest.
    """

    id: int
    speaker: str
    content: str
    created_session: int
    created_time: datetime
    updated_session: int
    updated_time: datetime
    sources: tuple[str, ...]
    op: str
    history: tuple[Revision, ...] = ()
    deleted_session: int | None = None
    deleted_time: datetime | None = None
    deleted_source: str | None = None
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Fill `digest`."""
        said = [
            self.id,
            self.speaker,
            self.content,
            self.created_session,
            self.created_time.isoformat(),
            self.updated_session,
            self.updated_time.isoformat(),
            sorted(self.sources),
        ]
        object.__setattr__(self, "digest", blake2b(json.dumps(said).encode(), digest_size=16).digest())

    @property
    def live(self) -> bool:
        """Whether the entry has not been deleted."""
        return self.deleted_session is None

    @property
    def revision(self) -> Revision:
        """The present content as a `Revision`, to be kept in the history of the next version."""
        return Revision(self.content, self.op, self.updated_session, self.updated_time, self.sources)
