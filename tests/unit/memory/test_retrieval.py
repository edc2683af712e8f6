from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fairmem.errors import ConfigError
from fairmem.memory import (
    RETRIEVERS,
    Bm25Retriever,
    DenseRetriever,
    HashedEmbedder,
    Hit,
    HybridRetriever,
    Insert,
    Retriever,
    VectorArena,
    build_retriever,
)
from tests.unit.memory.build import FIRST, bank_of

_ANA = (
    "Ana has a dog.",
    "Ana works as a nurse in Rome.",
    "Ana lives in Lodz.",
    "Ana likes jazz.",
    "Ana is afraid of spiders.",
)


class _Compass:
    """Vectors by the first word: red is east, blue is west, anything else is 0.6 east and 0.8 north."""

    dim = 2
    name = "compass"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        known = {"red": [1.0, 0.0], "blue": [-1.0, 0.0]}
        return np.array([known.get(text.split()[0], [0.6, 0.8]) for text in texts], dtype=np.float32)


class _Noise:
    """Vectors without zeros, drawn from the length of the text."""

    dim = 512
    name = "noise"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [np.random.default_rng(len(text)).standard_normal(self.dim) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


def _ids(hits: list[Hit]) -> list[int]:
    return [hit.entry.id for hit in hits]


@pytest.fixture(params=sorted(RETRIEVERS))
def retriever(request: pytest.FixtureRequest) -> Retriever:
    return build_retriever(request.param, HashedEmbedder())


def test_another_form_of_the_word_asked_for_is_found_first(retriever: Retriever) -> None:
    hits = retriever.rank(bank_of(*_ANA).entries, "Where does Ana live?", 5)
    assert hits[0].entry.content == "Ana lives in Lodz."
    assert hits[0].score > 1.4 * hits[1].score


def test_hits_come_by_falling_score_and_ties_by_id_whatever_the_order_given(retriever: Retriever) -> None:
    bank = bank_of("Ana likes tea.", "Ana likes jazz.", *(f"Ana owns item {n}." for n in range(9)))
    for content in ("Ana likes jazz.", "Ana likes tea."):
        bank, _ = bank.apply(Insert("Bo", content, "D1:1"), FIRST)  # ids 12 and 13, equal texts
    forwards = retriever.rank(bank.entries, "Who likes jazz?", 13)
    assert _ids(forwards)[:4] == [2, 12, 1, 13]
    assert forwards[0].score == forwards[1].score
    assert retriever.rank(bank.entries[::-1], "Who likes jazz?", 13) == forwards
    assert [(-h.score, h.entry.id) for h in forwards] == sorted((-h.score, h.entry.id) for h in forwards)


def test_at_most_k_hits_and_none_below_the_threshold(retriever: Retriever) -> None:
    entries = bank_of(*_ANA).entries
    everything = retriever.rank(entries, "Where does Ana live?", 99)
    assert retriever.rank(entries, "Where does Ana live?", 2) == everything[:2]
    threshold = everything[1].score
    assert _ids(retriever.rank(entries, "Where does Ana live?", 99, threshold)) == _ids(everything[:2])
    assert retriever.rank(entries, "Where does Ana live?", 0) == []
    assert retriever.rank(entries, "Where does Ana live?", 99, 1e9) == []


def test_nothing_to_rank_and_nothing_asked(retriever: Retriever) -> None:
    assert retriever.rank((), "Where does Ana live?", 3) == []
    assert [hit.score for hit in retriever.rank(bank_of("one", "two").entries, "", 3)] == [0.0, 0.0]


def test_equal_contents_get_the_same_cosine_to_the_last_bit_wherever_they_stand() -> None:
    # A matrix product gives several values here: it adds up the last rows of an array in another order.
    entry = bank_of("Ana likes jazz.").entries[0]
    entries = [replace(entry, id=id) for id in range(1, 52)]
    scores = DenseRetriever(VectorArena(_Noise())).scores(entries, "Who likes jazz?")
    assert len(set(scores.tolist())) == 1


def test_dense_scores_are_cosines_and_opposite_vectors_fall_below_the_default_threshold() -> None:
    entries = bank_of("green hat", "blue hat", "red hat").entries
    dense = DenseRetriever(VectorArena(_Compass()))
    assert dense.rank(entries, "red", 3) == [Hit(entries[2], 1.0), Hit(entries[0], 0.6)]
    assert dense.rank(entries, "red", 3, -1.0)[2] == Hit(entries[1], -1.0)


def test_bm25_scores_are_those_worked_by_hand() -> None:
    # The working is in test_bm25.py.
    entries = bank_of("red apple", "red red car", "blue sky").entries
    hits = Bm25Retriever().rank(entries, "red car", 3)
    assert _ids(hits) == [2, 1, 3]
    assert [hit.score for hit in hits] == pytest.approx([1.484047, 0.502294, 0.0], abs=2e-6)


def test_bm25_parameters_are_used() -> None:
    entries = bank_of("red apple", "red red car", "blue sky").entries
    hits = Bm25Retriever(k1=1.0, b=0.0).rank(entries, "red", 1)
    assert hits[0].score == pytest.approx(0.626671, abs=2e-6)


def test_hybrid_is_the_weighted_mean_of_cosine_and_covered_bm25() -> None:
    # Query "red car": cosines 1, 1, -1 (cut to 0). BM25 0.502294, 1.484047, 0 over the bound 3.627082: 0.138484,
    # 0.409157, 0. With weight 0.25: 0.25 + 0.75 * 0.138484 = 0.353863; 0.25 + 0.75 * 0.409157 = 0.556868; 0.
    entries = bank_of("red apple", "red red car", "blue sky").entries
    hybrid = HybridRetriever(DenseRetriever(VectorArena(_Compass())), Bm25Retriever(), weight=0.25)
    hits = hybrid.rank(entries, "red car", 3)
    assert _ids(hits) == [2, 1, 3]
    assert [hit.score for hit in hits] == pytest.approx([0.556868, 0.353863, 0.0], abs=3e-6)


def test_hybrid_with_all_weight_on_one_side_ranks_like_that_side() -> None:
    entries = bank_of(*_ANA).entries
    arena = VectorArena(HashedEmbedder())
    dense, words = DenseRetriever(arena), Bm25Retriever()
    query = "Which city does Ana live in?"
    assert _ids(HybridRetriever(dense, words, 1.0).rank(entries, query, 5)) == _ids(dense.rank(entries, query, 5))
    assert _ids(HybridRetriever(dense, words, 0.0).rank(entries, query, 5)) == _ids(words.rank(entries, query, 5))


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_zero_to_one_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match=r"expected the share of the vectors in \[0, 1\]"):
        HybridRetriever(DenseRetriever(VectorArena(HashedEmbedder())), Bm25Retriever(), weight)


def test_an_unknown_retriever_is_refused_with_the_names_known() -> None:
    with pytest.raises(ConfigError, match="expected one of bm25, dense, hybrid"):
        build_retriever("faiss", HashedEmbedder())


def test_retrievers_can_share_one_arena() -> None:
    arena = VectorArena(HashedEmbedder())
    entries = bank_of(*_ANA).entries
    for name in ("dense", "hybrid"):
        build_retriever(name, arena).rank(entries, "jazz", 1)
    assert len(arena) == 6  # five contents and one query
