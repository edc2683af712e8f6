"""The grammar of phrasings, and which split each phrasing belongs to."""

from collections import Counter

import pytest

from fairmem.data.village.splits import SPLITS, expand, phrasings, split_of


def test_a_grammar_stands_for_every_choice_of_its_alternatives_in_order() -> None:
    assert expand("[I|We] [just|] moved.") == ("I just moved.", "I moved.", "We just moved.", "We moved.")


def test_an_empty_alternative_leaves_no_double_blank_and_none_before_a_mark() -> None:
    assert expand("Home is {v} [now|], [right|]?") == (
        "Home is {v} now, right?",
        "Home is {v} now,?",
        "Home is {v}, right?",
        "Home is {v},?",
    )


def test_alternatives_that_give_the_same_text_count_once() -> None:
    assert expand("[a|a] b") == ("a b",)


def test_the_three_splits_share_the_phrasings_out_completely() -> None:
    lines = ("[I|We|They] [just|now|] [moved|came] to {v} [today|at last|].",)
    parts = [set(phrasings(lines, split)) for split in SPLITS]
    assert set.union(*parts) == set(expand(lines[0]))
    assert sum(map(len, parts)) == len(expand(lines[0])) == 3 * 3 * 2 * 3


def test_a_split_follows_from_the_text_alone_whatever_its_case() -> None:
    assert split_of("Lodz") == split_of("lodz") == split_of("LODZ")


@pytest.mark.parametrize(("split", "share"), [("train", 0.70), ("val", 0.12), ("test", 0.18)])
def test_splits_have_their_shares(split: str, share: float) -> None:
    counts = Counter(split_of(f"word {index}") for index in range(20_000))
    # Standard deviation of a share of 20,000: at most 0.0033.
    assert counts[split] / 20_000 == pytest.approx(share, abs=0.012)
