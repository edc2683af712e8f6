"""Structured memory (Mem-alpha, arXiv 2509.25911): one core text, a semantic and an episodic store of entries.

An immutable value like `MemoryBank`: every operation returns another memory, a fork is a reference. Unlike a bank it is
made to grow without end: entries, their twins and the word index of each store lie in maps whose versions share what
they have in common, so an operation costs the same in a memory of ten entries and of a hundred thousand.

The core is read as a whole and rewritten as a whole. Its sentences are entries too, so that an answerer sees their
dates and an evaluation their provenance: a sentence that a rewrite keeps word for word keeps its own, a new one gets
the turn that caused the rewrite. Ids count from 1 over core and stores together and are never used again.

What is different from the published code: no id is drawn at random (theirs has four hexadecimal digits and no check),
nothing is cut off silently (see `structured_ops`), and every entry can be found by a search.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from typing import Literal, NamedTuple, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from fairmem.errors import CheckpointError
from fairmem.memory.bank import MemoryBank
from fairmem.memory.bm25_index import Bm25Index
from fairmem.memory.entry import Entry
from fairmem.memory.persistent import PersistentMap
from fairmem.memory.retrieval import Hit

Store = Literal["semantic", "episodic"]
"""`semantic`: what holds; `episodic`: what happened or is planned, with its time."""
STORES: tuple[Store, ...] = get_args(Store)
Place = Literal["core", "semantic", "episodic"]
CORE: Place = "core"
FORMAT: Literal["fairmem-structured"] = "fairmem-structured"
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_MODULUS = 1 << 128


class _Held(NamedTuple):
    entry: Entry
    place: Place


class _HeldFile(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    place: Place
    entry: Entry


class _MemoryFile(BaseModel):
    """How a memory is written. Raise the version when a field changes its meaning."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal["fairmem-structured"]
    version: Literal[1]
    core: str
    core_ids: tuple[int, ...]
    entries: tuple[_HeldFile, ...]


@dataclass(frozen=True, eq=False)
class StructuredMemory:
    """A core text and two stores.

    Attributes:
        core: The core text; "" if there is none.
        core_ids: Ids of its sentences, in their order.
        next_id: The id the next new entry or core sentence gets.
        size: Live entries of both stores, the core's sentences not among them.
    """

    core: str = ""
    core_ids: tuple[int, ...] = ()
    next_id: int = 1
    size: int = 0
    _held: PersistentMap[int, _Held] = field(default_factory=PersistentMap[int, _Held])
    _twins: PersistentMap[str, int] = field(default_factory=PersistentMap[str, int])
    _semantic: Bm25Index = field(default_factory=Bm25Index)
    _episodic: Bm25Index = field(default_factory=Bm25Index)
    _digests: int = 0

    @classmethod
    def empty(cls) -> StructuredMemory:
        """The memory with nothing in it."""
        return cls()

    def __len__(self) -> int:
        return self.size + len(self.core_ids)

    def get(self, id: int) -> Entry | None:
        """The entry or core sentence with this id, live or deleted; None if there never was one."""
        held = self._held.get(id)
        return None if held is None else held.entry

    def place_of(self, id: int) -> Place | None:
        """Where the entry with this id lies or lay; None if there never was one."""
        held = self._held.get(id)
        return None if held is None else held.place

    def find(self, speaker: str, content: str) -> Entry | None:
        """The live entry of a store, of `speaker`, that says exactly `content`, or None."""
        id = self._twins.get(_twin(speaker, content))
        return None if id is None else self.get(id)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The core's sentences and the live entries of both stores, by id. Costs a pass over all of them."""
        return tuple(sorted((held.entry for held in self._held.values() if held.entry.live), key=lambda e: e.id))

    @property
    def core_entries(self) -> tuple[Entry, ...]:
        """The sentences of the core, in their order."""
        return tuple(entry for id in self.core_ids if (entry := self.get(id)) is not None)

    def store(self, store: Store) -> tuple[Entry, ...]:
        """The live entries of one store, by id. Costs a pass over all entries."""
        return tuple(entry for entry in self.entries if self.place_of(entry.id) == store)

    def search(self, store: Store, query: str, k: int) -> list[Hit]:
        """The `k` entries of a store that fit `query` best by BM25, from the index that is kept (`bm25_index`)."""
        index = self._semantic if store == "semantic" else self._episodic
        return [Hit(held.entry, score) for id, score in index.search(query, k) if (held := self._held.get(id))]

    @cached_property
    def hash(self) -> str:
        """32 hexadecimal digits that depend on the core text and on what the live entries say, wherever they lie.

        A sum of digests, so that an operation need not read the other entries: good to tell memories apart, not made
        to withstand somebody who looks for a collision.
        """
        core = int.from_bytes(blake2b(self.core.encode(), digest_size=16).digest())
        return f"{(self._digests + core) % _MODULUS:032x}"

    def __hash__(self) -> int:
        return int(self.hash[:15], 16)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StructuredMemory) and (self is other or self.to_json() == other.to_json())

    @property
    def sources(self) -> frozenset[str]:
        """Ids of all turns that the core or a live entry gives as provenance."""
        return frozenset(source for entry in self.entries for source in entry.sources)

    def tokens(self, count: Callable[[str], int]) -> int:
        """Size of the core and of all live contents, in the unit of `count`."""
        return sum(count(held.entry.content) for held in self._held.values() if held.entry.live)

    def with_entry(self, entry: Entry) -> StructuredMemory:
        """The memory with `entry` in place of the one in a store that has its id.

        Raises:
            ValueError: no store has the id (a mistake in an operation's code).
        """
        place = self.place_of(entry.id)
        if place is None or place == CORE:
            raise ValueError(f"entry id {entry.id} is in no store of this memory")
        return self._put(entry, place)

    def with_new(self, entry: Entry, store: Store) -> StructuredMemory:
        """The memory with one entry more; its id has to be `next_id` (ValueError)."""
        if entry.id != self.next_id:
            raise ValueError(f"entry id {entry.id} is not next (next is {self.next_id})")
        return replace(self, next_id=self.next_id + 1)._put(entry, store)

    def with_core(
        self, text: str, session: int, time: datetime, source: str, speaker_of: Callable[[str], str]
    ) -> tuple[StructuredMemory, int | None]:
        """The memory with `text` as its core, and the id of the first sentence that is new in it.

        Args:
            text: The whole new core, on one line.
            session: In which it is written.
            time: The session's date.
            source: The turn that caused it.
            speaker_of: Whom a new sentence is about.
        """
        known = {entry.content: entry for entry in self.core_entries}
        after, ids, first = self, list[int](), None
        for sentence in dict.fromkeys(split_sentences(text)):
            old = known.pop(sentence, None)
            if old is None:
                id = after.next_id
                first = first or id
                entry = Entry(
                    id, speaker_of(sentence), sentence, session, time, session, time, (source,), op="CORE"
                )  # fmt: skip
                after = replace(after, next_id=id + 1)._put(entry, CORE)
            ids.append(after.next_id - 1 if old is None else old.id)
        for gone in known.values():
            after = after._put(replace(gone, deleted_session=session, deleted_time=time, deleted_source=source), CORE)
        return replace(after, core=text, core_ids=tuple(ids)), first

    def _put(self, entry: Entry, place: Place) -> StructuredMemory:
        """The memory in which `entry`, live or deleted, is what its id stands for."""
        old = self.get(entry.id)
        digests, size, twins = self._digests, self.size, self._twins
        indexes = {"semantic": self._semantic, "episodic": self._episodic}
        if old is not None and old.live:
            digests -= _digest(old, place)
            if place != CORE:
                size, twins = size - 1, twins.without(_twin(old.speaker, old.content))
                indexes[place] = indexes[place].removed(entry.id) if not entry.live else indexes[place]
        if entry.live:
            digests += _digest(entry, place)
            if place != CORE:
                size, twins = size + 1, twins.set(_twin(entry.speaker, entry.content), entry.id)
                if old is None or old.content != entry.content or not old.live:
                    indexes[place] = indexes[place].added(entry.id, entry.content)
        return replace(
            self,
            size=size,
            _held=self._held.set(entry.id, _Held(entry, place)),
            _twins=twins,
            _semantic=indexes["semantic"],
            _episodic=indexes["episodic"],
            _digests=digests % _MODULUS,
        )

    def to_json(self) -> str:
        """The whole memory, lineage included, as one line of JSON."""
        held = sorted(self._held.values(), key=lambda item: item.entry.id)
        written = _MemoryFile(
            format=FORMAT,
            version=1,
            core=self.core,
            core_ids=self.core_ids,
            entries=tuple(_HeldFile(place=item.place, entry=item.entry) for item in held),
        )
        return written.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_json(cls, text: str) -> StructuredMemory:
        """The memory that `to_json` wrote.

        Raises:
            CheckpointError: not such a memory, a version this build does not read, or a damaged entry.
        """
        try:
            loaded = _MemoryFile.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the text"
            raise CheckpointError(
                f"structured memory: damaged or of another version at '{where}': {first['msg']}; "
                "expected what to_json wrote"
            ) from error
        memory = cls(core=loaded.core, core_ids=loaded.core_ids)
        for expected, item in enumerate(loaded.entries, start=1):
            if item.entry.id != expected:
                raise CheckpointError(
                    f"structured memory: found entry id {item.entry.id} where {expected} was expected; "
                    "ids count from 1 without gaps, deleted entries included"
                )
            memory = replace(memory, next_id=expected + 1)._put(item.entry, item.place)
        return memory

    def __repr__(self) -> str:
        return f"StructuredMemory({len(self.core_ids)} core sentences, {self.size} entries, hash {self.hash[:8]})"


Memory: TypeAlias = MemoryBank | StructuredMemory
"""Either kind of memory: both have entries, `get`, `hash`, `sources`, `tokens` and `to_json`."""


def memory_from_json(text: str) -> Memory:
    """The memory of either kind that `to_json` wrote.

    Raises:
        CheckpointError: neither, or damaged.
    """
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    structured = isinstance(content, dict) and content.get("format") == FORMAT  # pyright: ignore[reportUnknownMemberType]
    return StructuredMemory.from_json(text) if structured else MemoryBank.from_json(text)


def split_sentences(text: str) -> Sequence[str]:
    """The sentences of a core text."""
    return [sentence for sentence in _SENTENCE.split(text.strip()) if sentence]


def _twin(speaker: str, content: str) -> str:
    return f"{speaker}\n{content}"


def _digest(entry: Entry, place: Place) -> int:
    return int.from_bytes(blake2b(place.encode() + entry.digest, digest_size=16).digest())
