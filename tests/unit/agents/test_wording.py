from datetime import datetime

import pytest

from fairmem.agents.wording import compact_line, long_date, one_line, says_no_information, turn_text
from fairmem.types import Turn


def test_dates_are_written_in_english_without_leading_zeros() -> None:
    assert long_date(datetime(2023, 5, 7)) == "7 May 2023"
    assert long_date(datetime(2022, 12, 31)) == "31 December 2022"
    assert long_date(datetime(2024, 1, 1)) == "1 January 2024"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (" Ana  lives\tin Lodz. ", "Ana lives in Lodz."),
        ("a\r\nb\u2028c\x85d\x00e\x1bf", "a b c d e f"),
        ("caf\u00e9 \N{DOG FACE}", "caf\u00e9 \N{DOG FACE}"),
        ("\ud83d\udc36", "\N{DOG FACE}"),  # the two halves of U+1F436, written apart
        ("a\ud83db", "a\ufffdb"),
        ("\n\t", ""),
    ],
)
def test_any_text_becomes_one_line_that_utf8_can_hold(text: str, line: str) -> None:
    assert one_line(text) == line


def test_compact_text_cannot_hold_a_special_token() -> None:
    assert compact_line("<out> 1 < 2") == "(out> 1 ( 2"


def test_an_image_is_described_after_the_text() -> None:
    assert turn_text(Turn("D1:1", "Ana", "Look!", "a dog")) == "Look! (shows an image: a dog)"
    assert turn_text(Turn("D1:1", "Ana", "Look!")) == "Look!"


@pytest.mark.parametrize(("answer", "expected"), [("no information", True), (" No Information. ", True), ("no", False)])
def test_the_refusal_is_recognised(answer: str, expected: bool) -> None:
    assert says_no_information(answer) is expected
