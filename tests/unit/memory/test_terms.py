from __future__ import annotations

import pytest

from fairmem.memory.terms import STOP_WORDS, stem, term_counts, words


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("lives", "liv"),
        ("lived", "liv"),
        ("living", "liv"),
        ("live", "liv"),
        ("cities", "city"),
        ("city", "city"),
        ("boxes", "box"),
        ("dishes", "dish"),
        ("dogs", "dog"),
        ("running", "run"),
        ("planned", "plan"),
        ("falling", "fall"),
        ("grass", "grass"),
        ("bus", "bus"),
        ("tennis", "tennis"),
        ("sing", "sing"),  # what is left of it has no vowel
        ("need", "need"),
        ("red", "red"),
        ("is", "is"),
        ("łódź", "łódź"),
    ],
)
def test_stems(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_words_are_folded_and_compatibility_forms_made_plain() -> None:
    assert words("Ana's DOG, Straße-42!") == ["ana", "s", "dog", "strasse", "42"]
    assert words("ＡＮＡ") == ["ana"]
    assert words("...") == []


def test_counts_leave_stop_words_out() -> None:
    counts, length = term_counts("Where does Ana live? Ana lives in the old town.")
    # where, does, in, the go; ana and liv come twice
    assert dict(counts) == {"ana": 2, "liv": 2, "old": 1, "town": 1}
    assert length == 6


def test_negations_are_not_stop_words() -> None:
    assert STOP_WORDS.isdisjoint({"no", "not", "never", "nor"})
