"""One growing array of vectors, shared by every fork of every bank."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fairmem.memory.embed import Embedder


class VectorArena:
    """Text -> row of one float32 array; only texts not seen before are embedded, in one batch.

    Vectors belong to contents, not to banks, so a fork needs none of its own. The arena is only a cache: when
    it would hold more than `capacity` texts it starts anew, and what is still in use is embedded again. Calls
    from several threads are served one after another.

    Args:
        embedder: Where vectors come from.
        capacity: Most texts to hold; at dimension 512 one text takes 2 KB.
    """

    def __init__(self, embedder: Embedder, capacity: int = 100_000) -> None:
        self.embedder = embedder
        self._capacity = capacity
        self._rows: dict[str, int] = {}
        self._array: NDArray[np.float32] | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of `texts`, in order: a copy, float32 `[n, dim]`."""
        with self._lock:
            unseen = [text for text in dict.fromkeys(texts) if text not in self._rows]
            if unseen:
                if len(self._rows) + len(unseen) > self._capacity:
                    self._rows.clear()
                    unseen = list(dict.fromkeys(texts))
                self._add(unseen)
            if self._array is None:
                return np.zeros((0, self.embedder.dim), dtype=np.float32)
            return self._array[[self._rows[text] for text in texts]]

    def _add(self, texts: list[str]) -> None:
        embedded = self.embedder.embed(texts)
        start, end = len(self._rows), len(self._rows) + len(texts)
        if self._array is None or end > len(self._array):
            # Doubling keeps the cost of growth constant per text.
            grown = np.zeros((max(end, 2 * start, 256), embedded.shape[1]), dtype=np.float32)
            if self._array is not None:
                grown[:start] = self._array[:start]
            self._array = grown
        self._array[start:end] = embedded
        self._rows.update(zip(texts, range(start, end), strict=True))
