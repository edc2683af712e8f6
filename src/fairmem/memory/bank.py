"""A memory bank: an immutable value that every operation turns into another one.

To fork a bank is to keep a reference to it. An operation copies at most one tuple of pointers (about a
microsecond for 500 entries); the entries themselves are shared by all banks that hold them.

Ids count from 1 without gaps, deleted entries included, so an id is a position and is never used again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fairmem.errors import CheckpointError
from fairmem.memory.diff import BankDiff
from fairmem.memory.entry import Entry

if TYPE_CHECKING:
    from fairmem.memory.ops import Op, OpContext, OpResult


class _BankFile(BaseModel):
    """How a bank is written. Raise the version when a field changes its meaning."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal["fairmem-bank"]
    version: Literal[1]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, repr=False)
class MemoryBank:
    """All entries of one memory, live and deleted, by id. Equality compares everything, lineage included."""

    all_entries: tuple[Entry, ...] = ()
    _live: tuple[Entry, ...] | None = field(default=None, init=False, compare=False)
    _hash: str | None = field(default=None, init=False, compare=False)

    @classmethod
    def empty(cls) -> MemoryBank:
        """The bank with nothing in it."""
        return cls()

    @classmethod
    def from_entries(cls, entries: Iterable[Entry]) -> MemoryBank:
        """The bank that holds `entries`, in any order.

        Raises:
            CheckpointError: the ids are not exactly 1, 2, ... without gaps.
        """
        ordered = tuple(sorted(entries, key=lambda entry: entry.id))
        for expected, entry in enumerate(ordered, start=1):
            if entry.id != expected:
                raise CheckpointError(
                    f"memory bank: found entry id {entry.id} where {expected} was expected; "
                    "ids count from 1 without gaps, deleted entries included"
                )
        return cls(ordered)

    def apply(self, op: Op, context: OpContext) -> tuple[MemoryBank, OpResult]:
        """The bank after `op`, and what became of it. This bank stays as it is."""
        return op.apply(self, context)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The live entries, by id."""
        if self._live is None:
            object.__setattr__(self, "_live", tuple(e for e in self.all_entries if e.deleted_session is None))
        return self._live or ()

    @property
    def size(self) -> int:
        """Number of live entries."""
        return len(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def next_id(self) -> int:
        """The id the next new entry gets."""
        return len(self.all_entries) + 1

    def get(self, id: int) -> Entry | None:
        """The entry with this id, live or deleted; None if there never was one."""
        return self.all_entries[id - 1] if 1 <= id <= len(self.all_entries) else None

    def find(self, speaker: str, content: str) -> Entry | None:
        """The live entry of `speaker` that says exactly `content`, or None."""
        for entry in self.all_entries:
            if entry.content == content and entry.speaker == speaker and entry.deleted_session is None:
                return entry
        return None

    @property
    def hash(self) -> str:
        """32 hexadecimal digits that depend on what the live entries say, and on nothing else.

        Ids, speakers, contents, times and the sets of sources count; the operations that led there, earlier
        contents and deleted entries do not.
        """
        if self._hash is None:
            digests = b"".join(entry.digest for entry in self.entries)
            object.__setattr__(self, "_hash", blake2b(digests, digest_size=16).hexdigest())
        return self._hash or ""

    def __hash__(self) -> int:
        return int(self.hash[:15], 16)

    @property
    def sources(self) -> frozenset[str]:
        """Ids of all turns that a live entry gives as provenance."""
        return frozenset(source for entry in self.entries for source in entry.sources)

    def tokens(self, count: Callable[[str], int]) -> int:
        """Total size of the live contents, in the unit of `count` (for example a policy's `count_tokens`)."""
        return sum(count(entry.content) for entry in self.entries)

    def diff(self, other: MemoryBank) -> BankDiff:
        """What changes from this bank to `other`."""
        return BankDiff.between(self.entries, other.entries)

    def with_entry(self, entry: Entry) -> MemoryBank:
        """The bank with `entry` in place of the one that has its id, or at the end if its id is `next_id`.

        Raises:
            ValueError: the id is neither taken nor next (a mistake in an operation's code).
        """
        entries, position = self.all_entries, entry.id - 1
        if not 0 <= position <= len(entries):
            raise ValueError(f"entry id {entry.id} is neither in this bank nor next (next is {self.next_id})")
        if position < len(entries) and entries[position] == entry:
            return self
        return MemoryBank((*entries[:position], entry, *entries[position + 1 :]))

    def to_json(self) -> str:
        """The whole bank, lineage included, as one line of JSON."""
        written = _BankFile(format="fairmem-bank", version=1, entries=self.all_entries)
        return written.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_json(cls, text: str) -> MemoryBank:
        """The bank that `to_json` wrote.

        Raises:
            CheckpointError: not a bank, a version this build does not read, or a damaged entry (named by position
                from 0, with the field).
        """
        try:
            loaded = _BankFile.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the text"
            raise CheckpointError(
                f"memory bank: damaged or of another version at '{where}': {first['msg']}; expected what to_json wrote"
            ) from error
        return cls.from_entries(loaded.entries)

    def __repr__(self) -> str:
        deleted = len(self.all_entries) - len(self.entries)
        return f"MemoryBank({len(self.entries)} entries, {deleted} deleted, hash {self.hash[:8]})"
