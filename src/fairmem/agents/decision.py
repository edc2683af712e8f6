"""What is decided about memory in one reply, and the JSON form of it that manager and single agent share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fairmem.agents.context import TurnContext
from fairmem.agents.fields import Unusable, as_object, read_entry_id, read_sentence, read_speaker, read_turn
from fairmem.agents.json_reply import read_json_items
from fairmem.agents.parsing import Span, outcome_of, snippet
from fairmem.agents.wording import long_date, one_line
from fairmem.memory import Delete, Entry, Insert, Noop, Op, Update, op_from_name
from fairmem.trace import ParseOutcome
from fairmem.types import Turn


@dataclass(frozen=True, slots=True)
class Decision:
    """What was read from one reply of a manager or a single agent."""

    ops: tuple[Op, ...]
    """Operations in the order of the reply, at most one per entry, on entries that were shown."""
    outcome: ParseOutcome
    dropped: tuple[str, ...] = ()
    """One reason per operation of the reply that could not be used."""
    spans: tuple[Span | None, ...] = field(default=(), compare=False)
    """Where the reply asks for each operation; None for one that it does not mention."""


def json_lines(rows: Sequence[Mapping[str, object]]) -> str:
    """A JSON list with one row per line, which is shorter than an indented one and as easy to read."""
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]" if rows else "[]"


def memory_rows(entries: Sequence[Entry]) -> list[dict[str, object]]:
    """`entries` as an instruct prompt shows them, in the same order."""
    return [
        {
            "memory_id": entry.id,
            "created": long_date(entry.created_time),
            "updated": long_date(entry.updated_time),
            "speaker": one_line(entry.speaker),
            "content": one_line(entry.content),
            "dia_ids": list(entry.sources),
        }
        for entry in entries
    ]


def read_operations(text: str, truncated: bool, context: TurnContext, shown: Sequence[int]) -> Decision:
    """Read a reply `{"operations": [...]}` about the turns of `context` and the entries `shown`; never raises."""
    found = read_json_items(text, "operations")
    turns = {turn.id: turn for turn in context.turns}
    ops: list[Op] = []
    spans: list[Span | None] = []
    touched: set[int] = set()
    dropped = list(found.dropped)
    for item, span in zip(found.items, found.spans, strict=True):
        try:
            op = _read_op(as_object(item), context, turns, shown)
            if isinstance(op, Update | Delete):
                if op.entry in touched:
                    raise Unusable(f"second operation on entry {op.entry}: {op.name}")
                touched.add(op.entry)
            elif isinstance(op, Insert) and op in ops:
                raise Unusable(f"second INSERT of {snippet(op.content)}")
            ops.append(op)
            spans.append(span)
        except Unusable as reason:
            dropped.append(str(reason))
    outcome = outcome_of(truncated=truncated, formed=found.formed, kept=len(ops), dropped=len(dropped))
    if outcome is ParseOutcome.OK and all(isinstance(op, Noop) for op in ops):
        outcome = ParseOutcome.EMPTY
    return Decision(tuple(ops), outcome, tuple(dropped), tuple(spans))


def _read_op(item: Mapping[str, object], context: TurnContext, turns: Mapping[str, Turn], shown: Sequence[int]) -> Op:
    name = item.get("operation")
    kind = op_from_name(name) if isinstance(name, str) else None
    if kind is Insert:
        turn = read_turn(item, turns)
        return Insert(read_speaker(item, context.speakers, turn.speaker), read_sentence(item, "content"), turn.id)
    if kind is Update:
        return Update(read_entry_id(item, shown), read_sentence(item, "content"), read_turn(item, turns).id)
    if kind is Delete:
        return Delete(read_entry_id(item, shown), read_turn(item, turns).id if item.get("dia_id") else None)
    if kind is Noop:
        return Noop()
    raise Unusable(f"no operation {snippet(str(name))}")
