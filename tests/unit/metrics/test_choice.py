from __future__ import annotations

import pytest

from fairmem.metrics import picked_option

OPTIONS = ("Lisbon", "Porto", "a boat", "A")


@pytest.mark.parametrize(
    ("answer", "picked"),
    [
        ("(b)", "Porto"),
        ("b", "Porto"),
        ("B) Porto", "Porto"),
        ("b. Porto", "Porto"),
        ("Answer: (b)", "Porto"),
        ("The answer is b", "Porto"),
        ("option c", "a boat"),
        ("porto!", "Porto"),
        ("boat", "a boat"),  # articles do not count
        ("A", "Lisbon"),  # a letter, since "a" normalises to nothing
        ("a boat trip", "a boat trip"),  # starts with the article, not with a letter
        ("(z)", "(z)"),
        ("no idea", "no idea"),
        ("", ""),
    ],
)
def test_an_option_is_picked_by_its_letter_or_its_text(answer: str, picked: str) -> None:
    assert picked_option(answer, OPTIONS[:3]) == picked


def test_without_options_the_answer_stays() -> None:
    assert picked_option("b", ()) == "b"
