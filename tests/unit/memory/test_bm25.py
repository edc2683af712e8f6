from __future__ import annotations

import numpy as np
import pytest

from fairmem.memory import bm25_scores

_TEXTS = ("red apple", "red red car", "blue sky")


def test_scores_worked_by_hand() -> None:
    # N = 3, lengths 2, 3, 2, mean 7/3. idf(red) = ln(1 + 1.5/2.5) = 0.470004, idf(car) = ln(1 + 2.5/1.5) = 0.980829.
    # Length parts: 1.5 (0.25 + 0.75 * 2 / (7/3)) = 1.339286 and 1.5 (0.25 + 0.75 * 3 / (7/3)) = 1.821429.
    # Text 1: 0.470004 * 1 * 2.5 / (1 + 1.339286) = 0.502294
    # Text 2: 0.470004 * 2 * 2.5 / (2 + 1.821429) + 0.980829 * 2.5 / (1 + 1.821429) = 0.614958 + 0.869089
    scores, bound = bm25_scores(_TEXTS, "red car")
    np.testing.assert_allclose(scores, [0.502294, 1.484047, 0.0], atol=2e-6)
    assert bound == pytest.approx(2.5 * (0.470004 + 0.980829), abs=1e-5)


def test_without_length_normalisation_only_frequencies_count() -> None:
    # b = 0: 0.470004 * f * 2 / (f + 1) with k1 = 1: 0.470004 for f = 1, 0.626671 for f = 2.
    scores, _ = bm25_scores(_TEXTS, "red", k1=1.0, b=0.0)
    np.testing.assert_allclose(scores, [0.470004, 0.626671, 0.0], atol=2e-6)


def test_a_word_asked_for_twice_counts_twice() -> None:
    once = bm25_scores(_TEXTS, "red")
    twice = bm25_scores(_TEXTS, "red red")
    np.testing.assert_allclose(twice.scores, 2 * once.scores)
    assert twice.bound == pytest.approx(2 * once.bound)


def test_a_term_that_no_text_has_raises_the_bound_and_no_score() -> None:
    # idf of an absent term: ln(1 + 3.5 / 0.5) = ln 8 = 2.079442, times k1 + 1 = 2.5.
    known, more = bm25_scores(_TEXTS, "red"), bm25_scores(_TEXTS, "red zebra")
    np.testing.assert_array_equal(more.scores, known.scores)
    assert more.bound - known.bound == pytest.approx(5.198604, abs=1e-6)


def test_forms_of_a_word_match() -> None:
    scores, _ = bm25_scores(("Ana lives in Lodz.", "Ana has a dog."), "Where does Ana live?")
    assert scores[0] > 2 * scores[1] > 0


@pytest.mark.parametrize("query", ["", "where is the", "?"])
def test_a_query_of_stop_words_scores_nothing(query: str) -> None:
    scores, bound = bm25_scores(_TEXTS, query)
    assert scores.tolist() == [0.0, 0.0, 0.0]
    assert bound == 0.0


def test_no_texts_and_empty_texts_are_fine() -> None:
    assert bm25_scores((), "red").scores.shape == (0,)
    assert bm25_scores(("", "the"), "red").scores.tolist() == [0.0, 0.0]
