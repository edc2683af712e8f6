"""The published definitions of F1, each against values worked by hand."""

from __future__ import annotations

import pytest

from fairmem.metrics import ANSWER_SCORES, token_f1_locomo, token_f1_mem0

NAMES = ("bag", "locomo", "mem0_set", "memory_r2_set")


@pytest.mark.parametrize(
    ("pred", "gold", "bag", "locomo", "mem0", "memory_r2"),
    [
        ("New York, New York", "New York, New York", 1.0, 1.0, 1.0, 0.5),  # set form: 2 shared of 4 and 4
        # hyphens: deleted by bag and locomo (twentyone / twenty one), kept by mem0 (twenty-one / twenty, one)
        ("twenty-one", "twenty one", 0.0, 0.0, 0.0, 0.0),
        ("well-known", "wellknown", 1.0, 1.0, 0.0, 1.0),
        ("7", "7", 1.0, 1.0, 1.0, 1.0),
        # stems: runs and running are one stem only for locomo; "the" counts only for mem0
        ("running", "she runs", 0.0, 2 / 3, 0.0, 0.0),  # locomo: 1 shared, 1 + 2 tokens
        ("the dog", "dog", 1.0, 1.0, 2 / 3, 1.0),  # mem0: {the, dog} and {dog}
        # "and": dropped by locomo alone. bag [cats and dogs] / [cats dogs]: 2*2/(3+2)
        ("cats and dogs", "cats dogs", 0.8, 1.0, 0.8, 0.8),
        # apostrophes: deleted (anas) by all but mem0, which keeps ana's
        ("Ana's", "Anas", 1.0, 1.0, 0.0, 1.0),
        # repeats in the answer only: bag 1 of 3 and 1 -> 2/4, sets of mem0 1 of 1 and 1
        ("red red red", "red", 0.5, 0.5, 1.0, 0.5),
        ("", "", 1.0, 0.0, 0.0, 1.0),  # nothing in common is 0 in LoCoMo's and mem0's code, even for two empty texts
        ("London", "Paris", 0.0, 0.0, 0.0, 0.0),
    ],
)
def test_every_variant_gives_the_value_worked_by_hand(
    pred: str, gold: str, bag: float, locomo: float, mem0: float, memory_r2: float
) -> None:
    found = [ANSWER_SCORES[name].measure(pred, gold, "single_hop") for name in NAMES]
    assert found == [pytest.approx(value, abs=1e-12) for value in (bag, locomo, mem0, memory_r2)]


def test_several_answers_of_category_1_are_matched_part_by_part() -> None:
    # gold parts: "fairs" -> fair: best part "fair" 1.0; "dance competition": best part "dance" 2*1/(1+2) = 2/3
    assert token_f1_locomo("dance, fair", "fairs, dance competition", "multi_hop") == pytest.approx(5 / 6)
    # the same pair as a whole: [danc fair] and [fair danc competit]: 2*2/(2+3)
    assert token_f1_locomo("dance, fair", "fairs, dance competition", "single_hop") == pytest.approx(0.8)


def test_the_order_of_several_answers_does_not_matter_and_a_missing_one_costs_its_share() -> None:
    assert token_f1_locomo("b1, a1", "a1, b1", "multi_hop") == 1.0
    assert token_f1_locomo("a1", "a1, b1, c1, d1", "multi_hop") == 0.25


def test_what_follows_a_semicolon_counts_except_in_category_3() -> None:
    gold = "Likely yes; since she hikes"
    assert token_f1_locomo("Likely yes", gold, "open_domain") == 1.0
    # [like ye] and [like ye sinc she hike]: 2*2/(2+5)
    assert token_f1_locomo("Likely yes", gold, "single_hop") == pytest.approx(4 / 7)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("No information available.", 1.0),
        ("no information", 1.0),
        ("It was not mentioned", 1.0),
        ("Lodz", 0.0),
        ("", 0.0),
    ],
)
def test_category_5_wants_a_refusal_whatever_the_gold_answer(answer: str, expected: float) -> None:
    assert token_f1_locomo(answer, "No", "adversarial") == expected


def test_numbers_are_scored_as_their_text() -> None:
    assert token_f1_locomo("In 2022", 2022, "temporal") == pytest.approx(2 / 3)  # 1 shared, 2 + 1 tokens
    assert token_f1_mem0(2022, "2022.") == 1.0


def test_every_score_has_its_own_signature() -> None:
    signatures = [str(score.signature) for score in ANSWER_SCORES.values()]
    assert len(set(signatures)) == len(signatures)
    assert signatures[:4] == [
        "F1[bag|squad-norm|no-stem|v1]",
        "F1[locomo|squad-norm+and|stem|v1]",
        "F1[mem0_set|lower|no-stem|v1]",
        "F1[memory_r2_set|squad-norm|no-stem|v1]",
    ]
