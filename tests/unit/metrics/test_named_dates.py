from __future__ import annotations

import pytest

from fairmem.metrics import date_match, named_dates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 May 2023", {(2023, 5, 7, "")}),
        ("on May 7th, 2023.", {(2023, 5, 7, "")}),
        ("the 7th of May 2023", {(2023, 5, 7, "")}),
        ("2023-05-07", {(2023, 5, 7, "")}),
        ("Sept. 3, 2022", {(2022, 9, 3, "")}),
        ("May 2023", {(2023, 5, None, "")}),
        ("in 2022", {(2022, None, None, "")}),
        (2022, {(2022, None, None, "")}),
        ("1 May 2023 and 3 June 2023", {(2023, 5, 1, ""), (2023, 6, 3, "")}),
        # 25 May 2023 was a Thursday, so the Sunday before is the 21st and the Friday after the 26th
        ("The Sunday before 25 May 2023", {(2023, 5, 21, "")}),
        ("the Friday after 25 May 2023", {(2023, 5, 26, "")}),
        ("the Thursday before 25 May 2023", {(2023, 5, 18, "")}),
        ("the Thursday after 25 May 2023", {(2023, 6, 1, "")}),
        ("the day before 1 March 2024", {(2024, 2, 29, "")}),  # a leap year
        ("two days after 1 May 2023", {(2023, 5, 3, "")}),
        ("The week before 9 June 2023", {(2023, 6, 9, "1 week before")}),
        ("the two weekends before 17 July 2023", {(2023, 7, 17, "2 weekend before")}),
        ("05/07/2023 is ambiguous", {(2023, None, None, "")}),
        ("31 June 2023", {(2023, 6, 31, "")}),
        ("six months", set[tuple[int, int | None, int | None, str]]()),
        ("room 1234", set[tuple[int, int | None, int | None, str]]()),
    ],
)
def test_dates_are_read_at_their_own_precision(text: str | int, expected: set[tuple[int, int, int, str]]) -> None:
    assert named_dates(text) == expected


@pytest.mark.parametrize(
    ("pred", "gold", "expected"),
    [
        ("May 7, 2023", "7 May 2023", 1.0),
        ("8 May 2023", "7 May 2023", 0.0),  # token F1 would give 2/3
        ("7 May 2023", "May 2023", 1.0),  # more precise than asked
        ("May 2023", "7 May 2023", 0.0),
        ("21 May 2023", "The Sunday before 25 May 2023", 1.0),
        ("9 June 2023", "The week before 9 June 2023", 0.0),
        ("the week prior to 9 June 2023", "The week before 9 June 2023", 1.0),
        ("7 May 2023 or 8 May 2023", "7 May 2023", 0.0),  # guessing several is not right
        ("last week", "7 May 2023", 0.0),
        ("7 May 2023", "six months", None),
    ],
)
def test_a_date_matches_if_it_names_the_same_days(pred: str, gold: str, expected: float | None) -> None:
    assert date_match(pred, gold) == expected
