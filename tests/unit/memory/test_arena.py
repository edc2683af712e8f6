from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from fairmem.memory import HashedEmbedder, VectorArena


class _CountingEmbedder(HashedEmbedder):
    """The hashed embedder, keeping a list of what it was asked."""

    def __init__(self) -> None:
        super().__init__(16)
        self.asked: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        return super().embed(texts)


def test_only_unseen_texts_are_embedded_each_once_and_in_one_batch() -> None:
    embedder = _CountingEmbedder()
    arena = VectorArena(embedder)
    arena.vectors(["a cat", "a dog", "a cat"])
    arena.vectors(["a dog", "a bird", "a cat", "a fish"])
    arena.vectors(["a fish"])
    assert embedder.asked == [["a cat", "a dog"], ["a bird", "a fish"]]
    assert len(arena) == 4


def test_vectors_are_those_of_the_embedder_in_the_order_asked() -> None:
    texts = [f"fact number {n}" for n in range(700)]  # beyond the first two growths of the array
    arena = VectorArena(HashedEmbedder(16))
    arena.vectors(texts[:300])
    arena.vectors(texts[:600])
    np.testing.assert_array_equal(arena.vectors(texts[::-1]), HashedEmbedder(16).embed(texts[::-1]))


def test_what_is_given_out_is_a_copy() -> None:
    arena = VectorArena(HashedEmbedder(16))
    arena.vectors(["a cat"])[:] = 7.0
    np.testing.assert_array_equal(arena.vectors(["a cat"]), HashedEmbedder(16).embed(["a cat"]))


def test_no_texts_give_no_rows() -> None:
    arena = VectorArena(HashedEmbedder(16))
    assert arena.vectors([]).shape == (0, 16)
    arena.vectors(["a cat"])
    assert arena.vectors([]).shape == (0, 16)


def test_beyond_its_capacity_the_arena_starts_anew_and_stays_right() -> None:
    embedder = _CountingEmbedder()
    arena = VectorArena(embedder, capacity=3)
    arena.vectors(["one", "two"])
    np.testing.assert_array_equal(arena.vectors(["two", "three", "four"]), embedder.embed(["two", "three", "four"]))
    assert len(arena) == 3
    five = ["one", "two", "three", "four", "five"]  # more than the capacity at once is served all the same
    np.testing.assert_array_equal(arena.vectors(five), embedder.embed(five))


def test_threads_get_the_vectors_they_asked_for_while_the_arena_starts_anew() -> None:
    arena = VectorArena(HashedEmbedder(16), capacity=20)
    batches = [[f"fact {n + i}" for i in range(8)] for n in range(60)]
    with ThreadPoolExecutor(4) as pool:
        for batch, vectors in zip(batches, pool.map(arena.vectors, batches), strict=True):
            np.testing.assert_array_equal(vectors, HashedEmbedder(16).embed(batch))
