"""BM25 over one growing store: an inverted index that is kept, and shared by every fork of the store.

Adding, replacing or removing an entry touches the terms of that entry only. The entries with a term are a linked list,
newest first, so a new version puts one link before the list of the old one and both go on to exist. An entry that was
replaced stays in the lists until a term has more dead links than live ones; then its list is written anew.

The scores are those of `bm25_scores`. What keeps a query's cost flat as the store grows: entries are looked for from
the rarest term to the most common, until `k` are found that no entry with only the remaining terms can reach; and of a
term that more than `reach` entries have, the newest `reach` are looked at. So what is found has its exact score; what
may be missed is an old entry that shares only common words with the query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from math import log
from typing import NamedTuple, TypeAlias

from fairmem.memory.persistent import PersistentMap
from fairmem.memory.terms import term_counts

K1, B = 1.5, 0.75
"""The constants of `bm25_scores`."""
REACH = 64
"""Entries looked at for one term, newest first."""


class _Doc(NamedTuple):
    """An indexed text: `stamp` grows with every text added, so an older text of the same entry is told apart."""

    stamp: int
    counts: Mapping[str, int]
    length: int


_Link: TypeAlias = "tuple[int, int, _Link | None]"
"""(entry, stamp of the text, the next older link)"""


class _Term(NamedTuple):
    live: int
    dead: int
    head: _Link | None


@dataclass(frozen=True, slots=True)
class Bm25Index:
    """The words of the texts of one store. Immutable: `added` and `removed` return the index after the change."""

    _docs: PersistentMap[int, _Doc] = field(default_factory=PersistentMap[int, _Doc])
    _terms: PersistentMap[str, _Term] = field(default_factory=PersistentMap[str, _Term])
    _length: int = 0
    _stamp: int = 0

    def __len__(self) -> int:
        return len(self._docs)

    def added(self, id: int, text: str) -> Bm25Index:
        """The index in which entry `id` says `text`, whatever it said before."""
        base = self.removed(id)
        counts, length = term_counts(text)
        stamp = base._stamp + 1
        terms = base._terms
        for term in counts:
            known = terms.get(term) or _Term(0, 0, None)
            terms = terms.set(term, known._replace(live=known.live + 1, head=(id, stamp, known.head)))
        return Bm25Index(base._docs.set(id, _Doc(stamp, counts, length)), terms, base._length + length, stamp)

    def removed(self, id: int) -> Bm25Index:
        """The index without entry `id`."""
        doc = self._docs.get(id)
        if doc is None:
            return self
        docs, terms = self._docs.without(id), self._terms
        for term in doc.counts:
            known = terms.get(term)
            if known is None or known.live == 1:
                terms = terms.without(term)
                continue
            left = _Term(known.live - 1, known.dead + 1, known.head)
            terms = terms.set(term, left if left.dead <= left.live else _Term(left.live, 0, _living(left.head, docs)))
        return Bm25Index(docs, terms, self._length - doc.length, self._stamp)

    def search(self, query: str, k: int, reach: int = REACH) -> list[tuple[int, float]]:
        """The best `k` entries that share a term with `query`, by (-score, newest entry first).

        Scores are rounded to 6 decimals, as every retriever's are.
        """
        scores: dict[int, float] = {}
        terms = self._weighted(query)
        mean = self._length / max(1, len(self._docs))
        rest = sum(bound for _, bound in terms)
        for term, bound in terms:
            if len(scores) >= k and rest < nlargest(k, scores.values())[-1]:
                break
            for id, doc in self._with(term, reach):
                if id not in scores:
                    scores[id] = sum(_score(each, most, doc, mean) for each, most in terms)
            rest -= bound
        rounded = [(id, round(score, 6)) for id, score in scores.items()]
        return sorted(rounded, key=lambda hit: (-hit[1], -hit[0]))[: max(k, 0)]

    def _weighted(self, query: str) -> list[tuple[str, float]]:
        """(term, the most it can add to a score) for the terms of `query` that the store has, the rarest first."""
        found: list[tuple[int, str, float]] = []
        for term, occurrences in term_counts(query)[0].items():
            known = self._terms.get(term)
            if known is not None:
                idf = occurrences * log(1 + (len(self._docs) - known.live + 0.5) / (known.live + 0.5))
                found.append((known.live, term, idf * (K1 + 1)))
        return [(term, bound) for _, term, bound in sorted(found)]

    def _with(self, term: str, reach: int) -> list[tuple[int, _Doc]]:
        """The newest `reach` entries that have `term`, with their texts."""
        known = self._terms.get(term)
        link, found = (None if known is None else known.head), list[tuple[int, _Doc]]()
        while link is not None and len(found) < reach:
            id, stamp, link = link
            doc = self._docs.get(id)
            if doc is not None and doc.stamp == stamp:
                found.append((id, doc))
        return found


def _score(term: str, bound: float, doc: _Doc, mean: float) -> float:
    frequency = doc.counts.get(term, 0)
    return bound * frequency / (frequency + K1 * (1 - B + B * doc.length / mean)) if frequency else 0.0


def _living(link: _Link | None, docs: PersistentMap[int, _Doc]) -> _Link | None:
    """The list from `link` on without dead links, in the same order."""
    kept: list[tuple[int, int]] = []
    while link is not None:
        id, stamp, link = link
        doc = docs.get(id)
        if doc is not None and doc.stamp == stamp:
            kept.append((id, stamp))
    made: _Link | None = None
    for id, stamp in reversed(kept):
        made = (id, stamp, made)
    return made
