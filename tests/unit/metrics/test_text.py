"""Answer scores against values worked by hand."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmem.metrics import F1_VARIANTS, bleu1, exact_match, normalise, token_f1, token_f1_set


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Old Man and the Sea", "old man and sea"),
        ("  New   York,\nNew York! ", "new york new york"),
        ("twenty-one", "twentyone"),  # punctuation is deleted, not spaced
        ("a.m.", "am"),  # punctuation goes before articles: no lone "a" is left to drop
        ("an apple a day", "apple day"),
        ("theory", "theory"),  # articles are whole words
        ("the", ""),
        ("?!", ""),
        ("Zoë's café", "zoës café"),
        (2022, "2022"),
        (3.5, "35"),
    ],
)
def test_normalisation_is_that_of_squad(text: str | int | float, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize("score", [token_f1, token_f1_set, exact_match, bleu1])
def test_a_missing_answer_is_an_error_and_not_the_word_none(score: Any) -> None:
    with pytest.raises(TypeError, match="text or a number, found NoneType"):
        score(cast(str, None), "Paris")


@pytest.mark.parametrize(
    ("pred", "gold", "bag", "memory_r2_set"),
    [
        ("Paris", "paris.", 1.0, 1.0),
        ("New York, New York", "New York, New York", 1.0, 0.5),  # set: 2 shared of 4 and 4
        ("very very good", "very very good", 1.0, 2 / 3),  # set: 2 of 3 and 3
        ("a dog and a cat", "the dog", 0.5, 0.5),  # [dog and cat] / [dog]: P 1/3, R 1 -> 2/4
        ("red red car", "red car", 0.8, 0.8),  # both share 2; P 2/3, R 2/2 -> 4/5
        ("red red red", "red red car", 2 / 3, 1 / 3),  # bag shares 2, set shares 1, of 3 and 3
        ("twenty-one", "twenty one", 0.0, 0.0),
        ("well-known", "wellknown", 1.0, 1.0),
        ("7", 7, 1.0, 1.0),
        (2022, "in 2022", 2 / 3, 2 / 3),  # P 1/1, R 1/2 -> 2/3
        ("London", "Paris", 0.0, 0.0),
        ("", "", 1.0, 1.0),
        ("the", "", 1.0, 1.0),  # both empty once the article is gone
        ("", "Paris", 0.0, 0.0),
        ("Paris", "a", 0.0, 0.0),
    ],
)
def test_both_f1_variants_give_the_values_worked_by_hand(
    pred: str | int, gold: str | int, bag: float, memory_r2_set: float
) -> None:
    assert F1_VARIANTS["bag"](pred, gold) == pytest.approx(bag, abs=1e-12)
    assert F1_VARIANTS["memory_r2_set"](pred, gold) == pytest.approx(memory_r2_set, abs=1e-12)


@pytest.mark.parametrize(
    ("pred", "gold", "expected"),
    [("The Paris", "paris", 1.0), ("Paris France", "France Paris", 0.0), ("", "", 1.0), (4, "4", 1.0), ("", "x", 0.0)],
)
def test_exact_match_compares_normalised_text(pred: str | int, gold: str | int, expected: float) -> None:
    assert exact_match(pred, gold) == expected


@pytest.mark.parametrize(
    ("pred", "gold", "plain", "with_penalty"),
    [
        ("red car", "red car", 1.0, 1.0),
        # 2 of 2 words match; 2 is shorter than 4: exp(1 - 4/2) = e^-1
        ("red car", "big red fast car", 1.0, math.exp(-1)),
        # longer than the gold: 2 of 4 match and there is no penalty
        ("big red fast car", "red car", 0.5, 0.5),
        # clipping: "red" counts once of three; lengths 3 and 2
        ("red red red", "red car", 1 / 3, 1 / 3),
        # 1 of 2 match; exp(1 - 3/2)
        ("red bike", "big red car", 0.5, 0.5 * math.exp(-0.5)),
        ("bike", "red car", 0.0, 0.0),
        ("", "", 1.0, 1.0),
        ("", "red", 0.0, 0.0),
        ("red", "the", 0.0, 0.0),
    ],
)
def test_bleu1_with_and_without_the_brevity_penalty(pred: str, gold: str, plain: float, with_penalty: float) -> None:
    assert bleu1(pred, gold, brevity=False) == pytest.approx(plain, abs=1e-12)
    assert bleu1(pred, gold) == pytest.approx(with_penalty, abs=1e-12)


_WORDS = st.lists(st.sampled_from(["a", "the", "red", "car", "dog", "7"]), max_size=8).map(" ".join)


@given(_WORDS, _WORDS)
def test_f1_is_symmetric_and_the_set_variant_never_exceeds_it(first: str, second: str) -> None:
    assert token_f1(first, second) == token_f1(second, first)
    assert 0.0 <= token_f1_set(first, second) <= token_f1(first, second) <= 1.0
    assert token_f1(first, first) == 1.0
    assert exact_match(first, second) <= token_f1(first, second)
