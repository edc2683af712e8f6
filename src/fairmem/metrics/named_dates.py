"""Dates that an answer names, in one form: `7 May 2023`, `May 7th, 2023` and `2023-05-07` are the same day.

Token F1 gives a wrong date half marks for its month and year; `date_match` gives it none. What is read:

- days, months with a year, bare years: `7 May 2023`, `May 2023`, `2022`;
- a day counted from a named one is computed: `the Sunday before 25 May 2023` is 21 May 2023, `two days after
  1 May 2023` is 3 May 2023, `the day before ...`;
- a period beside a named day stays a relation: `the week before 9 June 2023`, `the weekend after ...`.

Numeric dates with the day or month first (05/07/2023) are ambiguous and not read.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from fairmem.metrics.text import Text

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = {
    **{"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5},
    **{"six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10},
}
_MONTH = "(?P<month>" + "|".join(f"{name[:3]}(?:{name[3:]}|t)?\\.?" for name in _MONTHS) + ")"
_PATTERNS = (
    re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})\b"),
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+{_MONTH},?\s+(?P<year>\d{{4}})\b"),
    re.compile(rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})\b"),
    re.compile(rf"\b{_MONTH},?(?:\s+of)?\s+(?P<year>\d{{4}})\b"),
    re.compile(r"\b(?P<year>(?:19|20)\d{2})\b"),
)
_RELATION = re.compile(
    rf"(?P<unit>(?:(?P<count>\d+|{'|'.join(_NUMBERS)})\s+)?(?:days?|weeks?|weekends?|months?|years?)|"
    rf"{'|'.join(_WEEKDAYS)})\s+(?P<side>before|prior to|after|following)\s*$"
)

Named = tuple[int, int | None, int | None, str]
"""(year, month, day, relation to it); relation is "" or as "1 week before"."""


def named_dates(text: Text) -> frozenset[Named]:
    """Every date that `text` names, each at its own precision."""
    rest = str(text).lower()
    found: list[Named] = []
    for pattern in _PATTERNS:
        while (match := pattern.search(rest)) is not None:
            groups = match.groupdict()
            before = rest[: match.start()].removesuffix("the ")
            relation = _RELATION.search(before)
            found.append(_named(groups, relation))
            start = match.start() if relation is None else relation.start()
            # Blanked, so that the year of a full date is not read again as a bare year.
            rest = f"{rest[:start]} | {rest[match.end() :]}"
    return frozenset(found)


def date_match(pred: Text, gold: Text) -> float | None:
    """1.0 if the answer names exactly the dates of the gold answer, else 0.0; None if the gold answer names none.

    A date more precise than the gold one counts ("7 May 2023" for "May 2023"), a coarser one does not.
    """
    wanted, given = named_dates(gold), named_dates(pred)
    if not wanted:
        return None
    covered = all(any(_within(date, target) for date in given) for target in wanted)
    return float(covered and all(any(_within(date, target) for target in wanted) for date in given))


def _within(given: Named, wanted: Named) -> bool:
    same = all(want is None or want == have for have, want in zip(given[:3], wanted[:3], strict=True))
    return same and given[3] == wanted[3]


def _named(groups: dict[str, str | None], relation: re.Match[str] | None) -> Named:
    year, month, day = int(groups["year"] or 0), _month(groups.get("month")), groups.get("day")
    if relation is None:
        return (year, month, int(day) if day else None, "")
    side = "before" if relation["side"] in ("before", "prior to") else "after"
    unit = relation["unit"].split()[-1].removesuffix("s")
    written = relation["count"] or "1"
    count = int(written) if written.isdecimal() else _NUMBERS[written]
    computed = _computed(year, month, day, unit, count, side)
    if computed is not None:
        return (computed.year, computed.month, computed.day, "")
    return (year, month, int(day) if day else None, f"{count} {unit} {side}")


def _computed(year: int, month: int | None, day: str | None, unit: str, count: int, side: str) -> date | None:
    """The day that is so many days, or the next such weekday, on that side of a full date; None for periods."""
    if month is None or not day or unit not in ("day", *_WEEKDAYS):
        return None
    try:
        start = date(year, month, int(day))
    except ValueError:
        return None
    if unit == "day":
        days = count
    elif side == "before":
        days = (start.weekday() - _WEEKDAYS.index(unit)) % 7 or 7
    else:
        days = (_WEEKDAYS.index(unit) - start.weekday()) % 7 or 7
    return start + timedelta(days=-days if side == "before" else days)


def _month(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if text.isdecimal() else next(i for i, m in enumerate(_MONTHS, 1) if m.startswith(text[:3]))
