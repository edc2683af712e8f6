"""A memory product as a memory of an evaluation: what every adapter owes, and the part they share.

A product keeps one store per conversation, in a folder of its own, and is given the sessions in order, with their
dates. What it then lists becomes the bank of the evaluation (an entry's time is that of the session after which it
appeared, or last changed), and its own search decides what the answerer is shown. Entries name no turns, so evidence
recall is not known.

A session during which a model call failed leaves the memory incomplete, so it counts as not built and is tried again by
the next run; the replies that came are kept by the gateway and not asked again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from fairmem.agents.wording import long_date, one_line, turn_text
from fairmem.errors import CheckpointError, ModelError, boundary
from fairmem.eval.backend import Built, speaker_of
from fairmem.eval.gateway import Gateway
from fairmem.memory import Entry, Memory, MemoryBank
from fairmem.types import Conversation, Question, Session

ENTRIES = "entries.json"
"""Product's id -> entry id of a finished store."""


@dataclass(frozen=True, slots=True)
class Said:
    """One turn as a product is given it: `text` names speaker and day."""

    speaker: str
    text: str


class Product(Protocol):
    """One product on one conversation."""

    def add(self, turns: Sequence[Said]) -> None:
        """Take in one session."""
        ...

    def listed(self) -> dict[str, str]:
        """Everything it remembers: its own id -> text."""
        ...

    def found(self, query: str, count: int) -> list[str]:
        """Ids of at most `count` memories, best first."""
        ...

    def close(self) -> None:
        """Write what has to be written and let go of the store."""
        ...


OpenProduct = Callable[[Path, Gateway], Product]
"""(folder of the store, server to ask) -> the product, with what is in the folder."""


def said(session: Session) -> list[Said]:
    """The turns of `session`, each with its speaker and day."""
    day = long_date(session.time)
    return [Said(turn.speaker, f"[{day}] {turn.speaker}: {one_line(turn_text(turn))}") for turn in session.turns]


class PeerMemory:
    """A `MemoryBackend` made of a product; conversations are built one after the other."""

    traces = False

    def __init__(self, name: str, open_product: OpenProduct, gateway: Gateway, folder: Path, per_speaker: int) -> None:
        """Keep the stores below `folder`; at most `per_speaker` entries times speakers are found."""
        self.name = name
        self._open, self._gateway, self._folder, self._per_speaker = open_product, gateway, folder, per_speaker
        self._searched: tuple[str, Product, dict[str, int]] | None = None

    def build(self, conversations: Sequence[Conversation]) -> list[Built]:
        """A store and a bank each."""
        return [self._built(conversation) for conversation in conversations]

    def search(self, bank: Memory, question: Question, conversation: Conversation) -> tuple[Entry, ...]:
        """What the product finds for the text of the question."""
        product, entries = self._searchable(conversation)
        count = self._per_speaker * max(1, len(conversation.speakers))
        with boundary(ModelError, f"{self.name} searching the memory of {conversation.id}"):
            ids = product.found(question.text, count)
        found = [bank.get(entries[own]) for own in dict.fromkeys(ids) if own in entries]
        return tuple(entry for entry in found if entry is not None)[:count]

    def close(self) -> None:
        """Let go of the store that was searched last."""
        if self._searched is not None:
            self._searched[1].close()
            self._searched = None

    def _store(self, conversation: Conversation) -> Path:
        # Ids hold what file names may not.
        return self._folder / blake2b(conversation.id.encode(), digest_size=8).hexdigest()

    def _built(self, conversation: Conversation) -> Built:
        self.close()
        store, before = self._store(conversation), self._gateway.spent
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir(parents=True)
        kept: dict[str, Entry] = {}
        growth: list[int] = []
        failure = None
        try:
            with boundary(ModelError, f"{self.name} taking in {conversation.id}"):
                product = self._open(store, self._gateway)
                try:
                    for session in conversation.sessions:
                        product.add(said(session))
                        kept = _noted(kept, product.listed(), session, conversation.speakers)
                        growth.append(sum(entry.live for entry in kept.values()))
                finally:
                    product.close()
        except ModelError as error:
            failure = f"product: {error}"
        spent = self._gateway.spent.since(before)
        failure = spent.failure or failure
        if failure is None:
            partial = store / f"{ENTRIES}.partial"
            partial.write_text(json.dumps({own: entry.id for own, entry in kept.items()}), encoding="utf-8")
            partial.replace(store / ENTRIES)
        return Built(
            MemoryBank.from_entries(kept.values()) if failure is None else None,
            failure=failure,
            calls=spent.calls,
            failures=spent.failures,
            prompt_tokens=spent.prompt_tokens,
            reply_tokens=spent.reply_tokens,
            growth=tuple(growth),
        )

    def _searchable(self, conversation: Conversation) -> tuple[Product, dict[str, int]]:
        if self._searched is None or self._searched[0] != conversation.id:
            self.close()
            store = self._store(conversation)
            try:
                entries: dict[str, int] = json.loads((store / ENTRIES).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise CheckpointError(
                    f"{store}: no finished store of {self.name} for {conversation.id} ({error}); delete index.jsonl "
                    "beside it to build it again"
                ) from error
            with boundary(ModelError, f"{self.name} opening the memory of {conversation.id}"):
                self._searched = (conversation.id, self._open(store, self._gateway), entries)
        return self._searched[1], self._searched[2]


def _noted(
    kept: dict[str, Entry], listed: dict[str, str], session: Session, speakers: Sequence[str]
) -> dict[str, Entry]:
    """The entries by the product's id after `session`: new ones, changed ones, and those that are gone."""
    found = dict(kept)
    # Products list in an order of their own, often that of random ids.
    for own, text in sorted(listed.items(), key=lambda item: (item[1], item[0])):
        old, line = kept.get(own), one_line(text)
        if old is None:
            number = len(found) + 1
            times = (session.index, session.time, session.index, session.time)
            found[own] = Entry(number, speaker_of(line, speakers), line, *times, (), "INSERT")
        elif old.content != line or not old.live:
            made = (old.created_session, old.created_time, session.index, session.time)
            history = (*old.history, old.revision)
            found[own] = Entry(old.id, speaker_of(line, speakers), line, *made, (), "UPDATE", history)
    for own, old in kept.items():
        if own not in listed and old.live:
            found[own] = _deleted(old, session)
    return found


def _deleted(old: Entry, session: Session) -> Entry:
    return Entry(
        old.id,
        old.speaker,
        old.content,
        old.created_session,
        old.created_time,
        old.updated_session,
        old.updated_time,
        old.sources,
        old.op,
        old.history,
        deleted_session=session.index,
        deleted_time=session.time,
    )
