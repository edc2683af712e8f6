"""Only memories whose vectors lie near that of the task reach the prompt."""

from __future__ import annotations

from dataclasses import replace

from fairmem.agents.hooks import Access, Need, Situation, ToolDefense
from fairmem.drift.defenses.lexical_filter import query
from fairmem.errors import ConfigError
from fairmem.memory import Embedder


class EmbeddingFilter(ToolDefense):
    """Keeps a memory whose cosine with task and policy is at least `least`.

    Args:
        least: In the unit of the embedder; the default is for `hashed`, whose vectors of unlike texts are near 0.
            Models of sentences give unlike texts 0.1 to 0.3: set it higher for them.
        embedder: Default: that of the `Access`.
    """

    name = "embedding-filter"
    needs = frozenset((Need.EMBEDDER,))

    def __init__(self, least: float = 0.1, embedder: Embedder | None = None) -> None:
        if not -1.0 <= least <= 1.0:
            raise ConfigError(f"embedding filter: found a least cosine of {least}, expected one in [-1, 1]")
        self.least = least
        self._embedder = embedder

    def prepare(self, situation: Situation, access: Access) -> Situation:
        """The situation with the memories that are kept."""
        embedder = self._embedder or access.embedder
        if embedder is None:
            raise TypeError("embedding filter: give it an embedder to use it without an access")
        if not situation.memories:
            return situation
        vectors = embedder.embed([query(situation), *(memory.text for memory in situation.memories)])
        near = vectors[1:] @ vectors[0] >= self.least
        return replace(situation, memories=tuple(m for m, kept in zip(situation.memories, near, strict=True) if kept))
