"""BM25 over the few entries of one memory bank, computed afresh for every query.

A bank holds tens to hundreds of one-sentence entries that change all the time, so there is no index to keep:
word counts are cached by text, and a query looks up only its own terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairmem.memory.terms import term_counts


class Bm25Scores(NamedTuple):
    """Scores `[n]` (float64, >= 0) in the order of the texts, and the bound no text can reach for this query."""

    scores: NDArray[np.float64]
    bound: float


def bm25_scores(texts: Sequence[str], query: str, k1: float = 1.5, b: float = 0.75) -> Bm25Scores:
    """Score `texts` for `query`, with document statistics of `texts` themselves.

    score(d) = sum over query terms t, each as often as the query has it, of
        idf(t) * f(t, d) * (k1 + 1) / (f(t, d) + k1 * (1 - b + b * |d| / mean |d|))
    idf(t) = ln(1 + (N - n(t) + 0.5) / (n(t) + 0.5)), which is never negative (Lucene's form).

    Stop words are dropped on both sides, terms are stemmed. The bound is the limit for f -> infinity, the sum
    of idf(t) * (k1 + 1); terms that no text has count in it, so score / bound says how much of the query is met.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.2.
    """
    scores = np.zeros(len(texts))
    counted = [term_counts(text) for text in texts]
    mean_length = sum(length for _, length in counted) / max(len(texts), 1)
    bound = 0.0
    for term, occurrences in term_counts(query)[0].items():
        hits = [(i, counts[term], length) for i, (counts, length) in enumerate(counted) if term in counts]
        idf = occurrences * log(1 + (len(texts) - len(hits) + 0.5) / (len(hits) + 0.5))
        bound += idf * (k1 + 1)
        for i, frequency, length in hits:
            scores[i] += idf * frequency * (k1 + 1) / (frequency + k1 * (1 - b + b * length / mean_length))
    return Bm25Scores(scores, bound)
