"""What the replies of a branch wrote: where in the text, from which dialogue turns, by which operations.

From it come the tokens of every line (`lines`), and the memory that one or more sessions would have left without one of
their operations (`without`). A memory is made again by its operations alone; nothing is generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from fairmem.agents.parsing import Span
from fairmem.memory import MemoryBank, Op, OpContext
from fairmem.trace import Line, OpRecord


@dataclass(frozen=True, slots=True)
class Written:
    """The facts or the operations of one reply, in its order.

    Attributes:
        turn: Id of the role turn.
        spans: Where in the reply's text each stands; None for one that the reply does not mention.
        sources: Dialogue turn each gives as its source.
        ops: The operations; none for an extractor's facts.
        context: What they were applied in.
    """

    turn: str
    spans: tuple[Span | None, ...] = ()
    sources: tuple[str | None, ...] = ()
    ops: tuple[Op, ...] = ()
    context: OpContext | None = None

    @property
    def session(self) -> int:
        """Session of the operations; 0 without any."""
        return 0 if self.context is None else self.context.session


Place = tuple[int, int]
"""(which of the writing replies, which of its operations)."""


def lines(written: Written, ends: Sequence[int]) -> tuple[Line, ...]:
    """The tokens of each line of a reply whose tokens end at `ends` in its text (`TokenPlaces`).

    A token belongs to a line if a character of it does; one that completes no character, if it begins in the line. So
    where a token reaches from one line into the next, both have it: the later one, if tokens are read in order, is in
    force (see `fairmem.credit.by_op`).
    """
    found: list[Line] = []
    for number, (span, source) in enumerate(zip(written.spans, written.sources, strict=True)):
        if span is None:
            continue
        begins = [0, *ends[:-1]]
        inside = [
            token
            for token, (begin, end) in enumerate(zip(begins, ends, strict=True))
            if (begin < span[1] and end > span[0]) or (begin == end and span[0] <= begin < span[1])
        ]
        if inside:
            op = number if written.ops else None
            found.append(Line(first=inside[0], last=inside[-1] + 1, source=source, op=op))
    return tuple(found)


def without(
    start: MemoryBank, written: Sequence[Written], records: Sequence[Sequence[OpRecord]], left_out: Place
) -> MemoryBank:
    """The memory after the operations of one or more sessions but one.

    Later operations are done as they were asked for. One on an entry that is not there, because the
    operation left out would have made it, does nothing; an entry's other number in this memory is seen to.

    Args:
        start: The memory before the first of these sessions.
        written: Their writing replies, in order.
        records: What became of their operations when they were played.
        left_out: The operation to do without.
    """
    bank = start
    numbers: dict[int, int | None] = {}  # of an entry made in the session -> here; None: it was not made
    for at, (reply, outcomes) in enumerate(zip(written, records, strict=True)):
        assert reply.context is not None or not reply.ops
        for index, (op, record) in enumerate(zip(reply.ops, outcomes, strict=True)):
            made = record.entry is not None and record.entry >= start.next_id
            if (at, index) == left_out:
                if made:
                    numbers.setdefault(cast(int, record.entry), None)
                continue
            target = getattr(op, "entry", None)
            here = numbers.get(target, target) if isinstance(target, int) else None
            if isinstance(target, int) and here is None:
                continue
            same = op if here == target or here is None else cast(Op, replace(cast(Any, op), entry=here))
            bank, result = bank.apply(same, cast(OpContext, reply.context))
            if made and record.entry is not None and result.entry is not None and target is None:
                numbers[record.entry] = result.entry
    return bank
