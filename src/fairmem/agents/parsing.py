"""What a parser returns, for every role and family: the usable items, one named outcome, a reason per dropped item.

Parsers never raise, whatever a model wrote: a bad reply is data of the run, not an error of the program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from fairmem.trace import ParseOutcome

Item = TypeVar("Item")
Span = tuple[int, int]
"""Where something stands in a reply's text: its first character, and the one after its last."""


@dataclass(frozen=True, slots=True)
class Parsed(Generic[Item]):
    """Usable items of one reply in its order, what became of the reply, why items were left out, and where items stand.

    `spans` has one place per item, None for an item that no part of the reply states; a parser that tells no places
    leaves it empty.
    """

    items: tuple[Item, ...]
    outcome: ParseOutcome
    dropped: tuple[str, ...] = ()
    spans: tuple[Span | None, ...] = field(default=(), compare=False)


def outcome_of(*, truncated: bool, formed: bool, kept: int, dropped: int) -> ParseOutcome:
    """The one outcome of a reply.

    Args:
        truncated: The reply hit the length limit.
        formed: Something of the expected outer form was found.
        kept: Number of usable items.
        dropped: Number of items that could not be used.
    """
    if truncated:
        return ParseOutcome.TRUNCATED
    if not formed:
        return ParseOutcome.UNPARSABLE
    if kept:
        return ParseOutcome.PARTIAL if dropped else ParseOutcome.OK
    return ParseOutcome.NO_ITEMS if dropped else ParseOutcome.EMPTY


def snippet(text: str, length: int = 40) -> str:
    """The start of `text` in quotes, for a reason."""
    return repr(text if len(text) <= length else text[:length] + "…")
