"""The operations a manager may ask of a memory bank, and every way each of them can end.

An operation is a frozen record with a `name` and one method, `apply(bank, context)`, which returns the bank
after it and an `OpResult`. It never raises for what a model asked: a wrong id, an unknown speaker or an empty
text is an outcome, and the bank comes back unchanged. Only `APPLIED` and `MERGED_DUPLICATE` can change a bank.

To add an operation: write a class like `Noop`, add it to `OPS`, and copy a test of `tests/unit/memory/test_ops.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol, Self, TypeVar

from fairmem.memory.bank import MemoryBank
from fairmem.memory.entry import Entry
from fairmem.memory.terms import count_marks


class Bank(Protocol):
    """What an operation on one entry needs of a memory: `MemoryBank` and `StructuredMemory` both are such."""

    def get(self, id: int) -> Entry | None:
        """The entry with this id, live or deleted."""
        ...

    def find(self, speaker: str, content: str) -> Entry | None:
        """The live entry of `speaker` that says exactly `content`."""
        ...

    def with_entry(self, entry: Entry) -> Self:
        """The memory with `entry` in place of the one that has its id."""
        ...


AnyBank = TypeVar("AnyBank", bound=Bank)


class OpOutcome(StrEnum):
    """What became of one operation. Every operation gets exactly one."""

    APPLIED = "applied"
    """The bank changed as asked."""
    MERGED_DUPLICATE = "merged_duplicate"
    """A live entry of that speaker already says exactly this; it got the source and counts as confirmed now."""
    NOOP = "noop"
    """Nothing was asked, and nothing was done."""
    UNCHANGED = "unchanged"
    """An update to the text that the entry already has; the bank is the same."""
    UNKNOWN_ID = "unknown_id"
    """No entry ever had this id."""
    ALREADY_DELETED = "already_deleted"
    """The entry was deleted by an earlier operation."""
    EMPTY_TEXT = "empty_text"
    """The text holds nothing but blanks."""
    TEXT_TOO_LONG = "text_too_long"
    """The text is longer than the context allows."""
    UNKNOWN_SPEAKER = "unknown_speaker"
    """The speaker takes no part in the conversation."""
    UNKNOWN_SOURCE = "unknown_source"
    """The turn given as provenance is not one that the model was shown."""
    BANK_FULL = "bank_full"
    """The bank holds as many live entries as the context allows."""
    CORE_OVERFLOW = "core_overflow"
    """The core text of a structured memory would exceed its limit; the old one stays, whole."""
    CORE_ENTRY = "core_entry"
    """The entry is a sentence of the core text, which is changed by rewriting the core."""

    FOUND = "found"
    """A search found entries."""
    NOTHING_FOUND = "nothing_found"
    """A search was made and no entry shares a word with it."""

    @property
    def refused(self) -> bool:
        """Whether the operation could not be done as asked."""
        done = (OpOutcome.APPLIED, OpOutcome.MERGED_DUPLICATE, OpOutcome.NOOP, OpOutcome.UNCHANGED)
        return self not in (*done, OpOutcome.FOUND, OpOutcome.NOTHING_FOUND)


@dataclass(frozen=True, slots=True)
class OpContext:
    """When an operation happens and what it may refer to.

    Attributes:
        session: Session number, from 1.
        time: The session's date; it becomes the entry's time, whatever the model says.
        speakers: Names an entry may be about, matched exactly.
        turn_ids: Turn ids that may be given as provenance.
        max_chars: Longest text of an entry, in characters after blanks are squeezed.
        max_entries: Most live entries the bank may hold; None for no limit.
        core_tokens: Most tokens of the core text of a structured memory, as `count` counts them.
        count: Tokens of a text; the default counts words and marks.
    """

    session: int
    time: datetime
    speakers: tuple[str, ...]
    turn_ids: frozenset[str]
    max_chars: int = 400
    max_entries: int | None = None
    core_tokens: int = 512
    count: Callable[[str], int] = count_marks


@dataclass(frozen=True, slots=True)
class OpResult:
    """The outcome, and the id of the entry that was made, changed or found; None if there is none."""

    outcome: OpOutcome
    entry: int | None = None


class Op(Protocol):
    """What a memory operation looks like; see the module docstring."""

    name: ClassVar[str]

    def apply(self, bank: MemoryBank, context: OpContext) -> tuple[MemoryBank, OpResult]:
        """The bank after this operation, and what became of it. `bank` itself never changes."""
        ...


@dataclass(frozen=True, slots=True)
class Insert:
    """Remember `content` about `speaker`; `source` is the turn that said it."""

    speaker: str
    content: str
    source: str
    name: ClassVar[str] = "INSERT"

    def apply(self, bank: MemoryBank, context: OpContext) -> tuple[MemoryBank, OpResult]:
        """Append an entry, or confirm the live one that already says the same."""
        content = squeezed(self.content)
        speaker = self.speaker.strip()
        fault = text_fault(content, context)
        if fault is None and speaker not in context.speakers:
            fault = OpOutcome.UNKNOWN_SPEAKER
        if fault is None and self.source not in context.turn_ids:
            fault = OpOutcome.UNKNOWN_SOURCE
        if fault is not None:
            return bank, OpResult(fault)
        twin = bank.find(speaker, content)
        if twin is not None:
            again = confirmed(twin, (self.source,), context)
            return bank.with_entry(again), OpResult(OpOutcome.MERGED_DUPLICATE, twin.id)
        if context.max_entries is not None and bank.size >= context.max_entries:
            return bank, OpResult(OpOutcome.BANK_FULL)
        entry = Entry(
            id=bank.next_id,
            speaker=speaker,
            content=content,
            created_session=context.session,
            created_time=context.time,
            updated_session=context.session,
            updated_time=context.time,
            sources=(self.source,),
            op=self.name,
        )
        return bank.with_entry(entry), OpResult(OpOutcome.APPLIED, entry.id)


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the text of entry number `entry`; the earlier text stays in its history."""

    entry: int
    content: str
    source: str
    name: ClassVar[str] = "UPDATE"

    def apply(self, bank: AnyBank, context: OpContext) -> tuple[AnyBank, OpResult]:
        """Write a new version; if another live entry already says it, that one takes over the sources."""
        old, refusal = _target(bank, self.entry)
        if old is None:
            return bank, refusal
        content = squeezed(self.content)
        fault = text_fault(content, context)
        if fault is None and self.source not in context.turn_ids:
            fault = OpOutcome.UNKNOWN_SOURCE
        if fault is None and content == old.content:
            fault = OpOutcome.UNCHANGED
        if fault is not None:
            return bank, OpResult(fault, old.id)
        twin = bank.find(old.speaker, content)
        if twin is not None:
            again = confirmed(twin, (*old.sources, self.source), context)
            merged = bank.with_entry(again).with_entry(_deleted(old, self.source, context))
            return merged, OpResult(OpOutcome.MERGED_DUPLICATE, twin.id)
        dated = confirmed(old, (self.source,), context)
        new = replace(dated, content=content, op=self.name, history=(*old.history, old.revision))
        return bank.with_entry(new), OpResult(OpOutcome.APPLIED, new.id)


@dataclass(frozen=True, slots=True)
class Delete:
    """Take entry number `entry` out of the live ones; it stays, marked, for lineage."""

    entry: int
    source: str | None = None
    name: ClassVar[str] = "DELETE"

    def apply(self, bank: AnyBank, context: OpContext) -> tuple[AnyBank, OpResult]:
        """Mark the entry as deleted in this session."""
        old, refusal = _target(bank, self.entry)
        if old is None:
            return bank, refusal
        if self.source is not None and self.source not in context.turn_ids:
            return bank, OpResult(OpOutcome.UNKNOWN_SOURCE, old.id)
        return bank.with_entry(_deleted(old, self.source, context)), OpResult(OpOutcome.APPLIED, old.id)


@dataclass(frozen=True, slots=True)
class Noop:
    """Leave the bank as it is; `source` is the turn that was judged to add nothing."""

    source: str | None = None
    name: ClassVar[str] = "NOOP"

    def apply(self, bank: MemoryBank, context: OpContext) -> tuple[MemoryBank, OpResult]:
        """The same bank."""
        return bank, OpResult(OpOutcome.NOOP)


OPS: dict[str, type[Op]] = {
    "INSERT": Insert,
    "ADD": Insert,
    "UPDATE": Update,
    "DELETE": Delete,
    "NOOP": Noop,
    "NONE": Noop,
}
"""Name -> operation. ADD and NONE are the names Memory-R1 and mem0 use for INSERT and NOOP."""


def op_from_name(name: str) -> type[Op] | None:
    """The operation called `name` (any case, blanks around it ignored), or None if there is none."""
    return OPS.get(name.strip().upper())


def squeezed(text: str) -> str:
    """`text` with runs of blanks made one space; half a surrogate pair, which no file can hold, becomes `?`."""
    return " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")


def text_fault(content: str, context: OpContext) -> OpOutcome | None:
    """Why a text cannot be an entry, if it cannot."""
    if not content:
        return OpOutcome.EMPTY_TEXT
    return OpOutcome.TEXT_TOO_LONG if len(content) > context.max_chars else None


def _target(bank: Bank, entry: int) -> tuple[Entry | None, OpResult]:
    """The live entry an operation names, or None and the result that says why there is none."""
    found = bank.get(entry)
    if found is None:
        return None, OpResult(OpOutcome.UNKNOWN_ID)
    if not found.live:
        return None, OpResult(OpOutcome.ALREADY_DELETED, entry)
    return found, OpResult(OpOutcome.NOOP, entry)


def confirmed(entry: Entry, sources: tuple[str, ...], context: OpContext) -> Entry:
    """`entry` with `sources` attached (each once) and dated to the present session."""
    joined = tuple(dict.fromkeys((*entry.sources, *sources)))
    return replace(entry, sources=joined, updated_session=context.session, updated_time=context.time)


def _deleted(entry: Entry, source: str | None, context: OpContext) -> Entry:
    return replace(entry, deleted_session=context.session, deleted_time=context.time, deleted_source=source)
