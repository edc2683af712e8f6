"""Finding the entries that bear on a query: by vectors, by words, or by both.

A retriever ranks the entries it is given, whichever they are: choosing the live ones, or those of one speaker,
is the caller's business. Scores are rounded to 6 decimals, so that equal texts tie whatever the order in which
the machine adds; ties go to the lower id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fairmem.errors import ConfigError
from fairmem.memory.arena import VectorArena
from fairmem.memory.bm25 import bm25_scores
from fairmem.memory.embed import Embedder
from fairmem.memory.entry import Entry


class Hit(NamedTuple):
    """An entry and how well it fits the query, on the scale of the retriever that found it."""

    entry: Entry
    score: float


class Retriever(Protocol):
    """Ranks entries for a query."""

    def rank(self, entries: Sequence[Entry], query: str, k: int, min_score: float = 0.0) -> list[Hit]:
        """The best `k` entries that score at least `min_score`, sorted by (-score, entry id)."""
        ...


class DenseRetriever:
    """Cosine between the vectors of query and content, in [-1, 1]."""

    def __init__(self, arena: VectorArena) -> None:
        self.arena = arena

    def rank(self, entries: Sequence[Entry], query: str, k: int, min_score: float = 0.0) -> list[Hit]:
        """See `Retriever.rank`."""
        return _best(entries, self.scores(entries, query), k, min_score)

    def scores(self, entries: Sequence[Entry], query: str) -> NDArray[np.float64]:
        """Cosines `[n]`, in the order of `entries`."""
        vectors = self.arena.vectors([query, *(entry.content for entry in entries)])
        # Row by row: a matrix product adds up rows at the end of the array in another order, and equal texts differ.
        return np.vecdot(vectors[1:], vectors[0]).astype(np.float64)


class Bm25Retriever:
    """BM25 over the given entries, in [0, infinity); 0 for an entry that shares no term with the query."""

    def __init__(self, k1: float = 1.5, b: float = 0.75) -> None:
        self.k1 = k1
        self.b = b

    def rank(self, entries: Sequence[Entry], query: str, k: int, min_score: float = 0.0) -> list[Hit]:
        """See `Retriever.rank`."""
        return _best(entries, bm25_scores([e.content for e in entries], query, self.k1, self.b).scores, k, min_score)

    def covered(self, entries: Sequence[Entry], query: str) -> NDArray[np.float64]:
        """BM25 over its bound for this query, `[n]` in [0, 1): how much of the query an entry meets."""
        scores, bound = bm25_scores([e.content for e in entries], query, self.k1, self.b)
        return scores / bound if bound > 0 else scores


class HybridRetriever:
    """A weighted mean of both scales, in [0, 1].

    score = weight * max(cosine, 0) + (1 - weight) * BM25 / bound(query)

    Each part is scaled by its theoretical limits, not by the best score found, so the same threshold means the
    same in every bank. Convex combination with theoretical scaling rather than rank fusion follows Bruch, Gai
    and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (arXiv 2210.11934).
    """

    def __init__(self, dense: DenseRetriever, bm25: Bm25Retriever, weight: float = 0.5) -> None:
        if not 0 <= weight <= 1:
            raise ConfigError(f"hybrid retriever: found weight {weight}, expected the share of the vectors in [0, 1]")
        self.dense = dense
        self.bm25 = bm25
        self.weight = weight

    def rank(self, entries: Sequence[Entry], query: str, k: int, min_score: float = 0.0) -> list[Hit]:
        """See `Retriever.rank`."""
        cosines = np.maximum(self.dense.scores(entries, query), 0.0)
        scores = self.weight * cosines + (1 - self.weight) * self.bm25.covered(entries, query)
        return _best(entries, scores, k, min_score)


RETRIEVERS: dict[str, Callable[[VectorArena], Retriever]] = {
    "dense": DenseRetriever,
    "bm25": lambda arena: Bm25Retriever(),
    "hybrid": lambda arena: HybridRetriever(DenseRetriever(arena), Bm25Retriever()),
}
"""Name -> maker of a retriever that takes its vectors, if it needs any, from an arena."""


def build_retriever(name: str, embedder: Embedder | VectorArena) -> Retriever:
    """The retriever called `name`. Give an arena instead of an embedder to share vectors with other retrievers.

    Raises:
        ConfigError: no such retriever.
    """
    if name not in RETRIEVERS:
        raise ConfigError(f"retriever '{name}': no such retriever; expected one of {', '.join(sorted(RETRIEVERS))}")
    arena = embedder if isinstance(embedder, VectorArena) else VectorArena(embedder)
    return RETRIEVERS[name](arena)


def _best(entries: Sequence[Entry], scores: NDArray[np.float64], k: int, min_score: float) -> list[Hit]:
    rounded: list[float] = np.round(scores, 6).tolist()
    kept = [i for i, score in enumerate(rounded) if score >= min_score]
    kept.sort(key=lambda i: (-rounded[i], entries[i].id))
    return [Hit(entries[i], rounded[i]) for i in kept[: max(k, 0)]]
