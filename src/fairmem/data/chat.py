"""What the loaders of user-and-assistant datasets share: turns of a chat, dates in their forms, and made-up dates.

Turn ids are those of LoCoMo (`D2:5` is turn 5 of session 2) unless a dataset has its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from fairmem.data.fields import Record, get, get_or
from fairmem.errors import DataError
from fairmem.types import Session, Turn

USER, ASSISTANT = "User", "Assistant"
SPEAKERS = {"user": USER, "assistant": ASSISTANT, "agent": ASSISTANT, "system": "System"}
"""Role in a file -> name of the speaker."""
FIRST_DAY = datetime(2024, 1, 1, 9, 0)
"""Time of the first session where a dataset has no dates; each later one is a day after."""

_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:\D{0,8}?(\d{1,2}):(\d{2}))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = re.compile(r"([A-Za-z]{3,9})[-\s](\d{1,2}),?[-\s](\d{4})")


def chat_turns(session: int, messages: Sequence[Record], place: str) -> tuple[Turn, ...]:
    """The turns of `messages` (`role`, `content`); empty ones keep their number but are left out."""
    turns: list[Turn] = []
    for number, message in enumerate(messages, start=1):
        where = f"{place} message {number}"
        role: str = get(message, "role", str, where)
        content = get(message, "content", str, where)
        if content.strip():
            turns.append(Turn(f"D{session}:{number}", SPEAKERS.get(role, role), content))
    return tuple(turns)


def read_date(text: str, place: str) -> datetime:
    """The time in `2023/05/20 (Sat) 02:21`, `2024-10-01 08:17`, `2024-10-01` (noon) or `March-15-2024` (noon).

    Raises:
        DataError: `text` holds none of these; `place` begins the message.
    """
    try:
        if (match := _ISO.search(text)) is not None:
            year, month, day, hour, minute = match.groups()
            return datetime(int(year), int(month), int(day), int(hour or 12), int(minute or 0))
        if (match := _NAMED.search(text)) is not None:
            return datetime(int(match[3]), _MONTHS.index(match[1][:3].lower()) + 1, int(match[2]), 12)
    except ValueError as error:
        raise DataError(f"{place}: '{text}' is no date: {error}") from error
    raise DataError(f"{place}: expected a date such as '2023/05/20 (Sat) 02:21', found '{text}'")


def dated(session: int, stated: object, place: str, last: datetime | None = None) -> datetime:
    """The date that is `stated`; without one a made-up day, the day after `last`."""
    if isinstance(stated, str) and stated.strip():
        return read_date(stated, place)
    return last + timedelta(days=1) if last is not None else FIRST_DAY + timedelta(days=session - 1)


def session_of(sessions: Sequence[Session], turn: str) -> int | None:
    """Number of the session with `turn`."""
    return next((s.index for s in sessions if any(t.id == turn for t in s.turns)), None)


def optional_text(record: Record, *keys: str, place: str) -> str:
    """The first of `keys` that holds text; "" if none does."""
    return next((value for key in keys if (value := get_or(record, key, str, "", place)).strip()), "")
