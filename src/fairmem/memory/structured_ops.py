"""The operations a writer may ask of a structured memory; every way each can end is an `OpOutcome`.

    INSERT   a new entry in the semantic or the episodic store
    UPDATE   an entry of a store, rewritten; DELETE takes it out (both are those of a bank)
    CORE     the core text, rewritten as a whole
    SEARCH   nothing changes; what is found is shown to the writer, so that it reaches every entry

Nothing here raises for what a model asked, and a refused operation leaves the memory as it was. A core text that is
too long is refused: the published code cuts words off its end, which is where the newest text is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from fairmem.memory.entry import Entry
from fairmem.memory.ops import Delete, OpContext, OpOutcome, OpResult, Update, confirmed, squeezed, text_fault
from fairmem.memory.retrieval import Hit
from fairmem.memory.structured import CORE, STORES, Store, StructuredMemory


class StructuredOp(Protocol):
    """What an operation on a structured memory looks like."""

    name: ClassVar[str]

    def apply(self, bank: StructuredMemory, context: OpContext) -> tuple[StructuredMemory, OpResult]:
        """The memory after this operation, and what became of it. `bank` itself never changes."""
        ...


@dataclass(frozen=True, slots=True)
class StoreInsert:
    """Remember `content` about `speaker` in `store`; `source` is the turn that said it."""

    store: Store
    speaker: str
    content: str
    source: str
    name: ClassVar[str] = "INSERT"

    def apply(self, bank: StructuredMemory, context: OpContext) -> tuple[StructuredMemory, OpResult]:
        """Append an entry, or confirm the live one, of either store, that already says the same."""
        content, speaker = squeezed(self.content), self.speaker.strip()
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
        when = (context.session, context.time)
        entry = Entry(bank.next_id, speaker, content, *when, *when, (self.source,), op=self.name)
        return bank.with_new(entry, self.store), OpResult(OpOutcome.APPLIED, entry.id)


@dataclass(frozen=True, slots=True)
class StoreUpdate:
    """Replace the text of entry number `entry` of a store."""

    entry: int
    content: str
    source: str
    name: ClassVar[str] = "UPDATE"

    def apply(self, bank: StructuredMemory, context: OpContext) -> tuple[StructuredMemory, OpResult]:
        """As `Update`; a sentence of the core is refused."""
        if bank.place_of(self.entry) == CORE:
            return bank, OpResult(OpOutcome.CORE_ENTRY, self.entry)
        return Update(self.entry, self.content, self.source).apply(bank, context)


@dataclass(frozen=True, slots=True)
class StoreDelete:
    """Take entry number `entry` of a store out of the live ones."""

    entry: int
    source: str | None = None
    name: ClassVar[str] = "DELETE"

    def apply(self, bank: StructuredMemory, context: OpContext) -> tuple[StructuredMemory, OpResult]:
        """As `Delete`; a sentence of the core is refused."""
        if bank.place_of(self.entry) == CORE:
            return bank, OpResult(OpOutcome.CORE_ENTRY, self.entry)
        return Delete(self.entry, self.source).apply(bank, context)


@dataclass(frozen=True, slots=True)
class CoreRewrite:
    """Make `content` the whole core text; `source` is the turn that caused it."""

    content: str
    source: str
    name: ClassVar[str] = "CORE"

    def apply(self, bank: StructuredMemory, context: OpContext) -> tuple[StructuredMemory, OpResult]:
        """Rewrite the core, or refuse a text of more than `context.core_tokens` tokens and keep the old one."""
        content, fault = squeezed(self.content), None
        if not content:
            fault = OpOutcome.EMPTY_TEXT
        elif self.source not in context.turn_ids:
            fault = OpOutcome.UNKNOWN_SOURCE
        elif content == bank.core:
            fault = OpOutcome.UNCHANGED
        elif context.count(content) > context.core_tokens:
            fault = OpOutcome.CORE_OVERFLOW
        if fault is not None:
            return bank, OpResult(fault)

        def speaker_of(sentence: str) -> str:
            return next((name for name in context.speakers if sentence.startswith(name)), context.speakers[0])

        after, first = bank.with_core(content, context.session, context.time, self.source, speaker_of)
        return after, OpResult(OpOutcome.APPLIED, first)


@dataclass(frozen=True, slots=True)
class StoreNoop:
    """Leave the memory as it is."""

    source: str | None = None
    name: ClassVar[str] = "NOOP"

    def apply(self, bank: StructuredMemory, context: OpContext) -> tuple[StructuredMemory, OpResult]:
        """The same memory."""
        return bank, OpResult(OpOutcome.NOOP)


@dataclass(frozen=True, slots=True)
class StoreSearch:
    """Look for the `limit` entries that fit `content` best, in one store or (None) in each of both."""

    content: str
    store: Store | None = None
    limit: int = 10
    name: ClassVar[str] = "SEARCH"

    def apply(self, bank: StructuredMemory, context: OpContext) -> tuple[StructuredMemory, OpResult]:
        """The same memory, and whether there is something to show."""
        found = self.found(bank)
        return bank, OpResult(OpOutcome.FOUND if found else OpOutcome.NOTHING_FOUND)

    def found(self, bank: StructuredMemory) -> tuple[Hit, ...]:
        """What is found, store by store, the best first."""
        stores = STORES if self.store is None else (self.store,)
        return tuple(hit for store in stores for hit in bank.search(store, self.content, self.limit))
