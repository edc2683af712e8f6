"""Times in words, in English on every machine: `7 May 2023`, and LoCoMo's `1:56 pm on 8 May, 2023` both ways.

LoCoMo's form has no seconds and no zone.
"""

from __future__ import annotations

import re
from datetime import date, datetime

from fairmem.errors import DataError

_FORM = re.compile(r"(\d{1,2}):(\d{2})\s*([ap])m\s+on\s+(\d{1,2})\s+([a-z]+),?\s+(\d{4})", re.IGNORECASE)
# Not strptime and strftime: their %p and %B follow the locale of the process.
_MONTHS: tuple[str, ...] = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def long_date(day: date) -> str:
    """The date as `7 May 2023`."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def parse_time(text: str, place: str) -> datetime:
    """The time that `text` says; `place` begins the `DataError` raised if it says none."""
    match = _FORM.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError("of another form")
        hour, minute, half, day, month, year = match.groups()
        if not 1 <= int(hour) <= 12:
            raise ValueError("hour must be in 1..12")
        hour24 = int(hour) % 12 + (12 if half.lower() == "p" else 0)
        return datetime(int(year), _MONTHS.index(month.capitalize()) + 1, int(day), hour24, int(minute))
    except ValueError as error:
        raise DataError(f"{place}: expected a time like '1:56 pm on 8 May, 2023', found '{text}'") from error


def format_time(time: datetime) -> str:
    """`time` as LoCoMo writes it; seconds are lost."""
    half = "am" if time.hour < 12 else "pm"
    month = _MONTHS[time.month - 1]
    return f"{(time.hour - 1) % 12 + 1}:{time.minute:02d} {half} on {time.day} {month}, {time.year:04d}"
