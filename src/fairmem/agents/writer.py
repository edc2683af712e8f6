"""The writer of a structured memory: reads turns beside the core and the entries they may concern, and changes memory.

Source: Mem-alpha (arXiv 2509.25911). There the writer sees the core and the newest five entries of each store, so an
update or a deletion reaches ten of them; here it sees those that a search by what is said finds, and in the `instruct`
family it may search for itself, several times before it is done with a chunk, so every entry is within reach.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from fairmem.agents.compact_write import Written, parse_compact_write, render_compact_write
from fairmem.agents.context import TurnContext, by_update, nearest
from fairmem.agents.parsing import Parsed
from fairmem.agents.prompts import load_prompt
from fairmem.agents.wording import long_date, one_line, turn_text
from fairmem.agents.writer_tools import read_calls, tools_in_words, writer_tools
from fairmem.memory import (
    STORES,
    CoreRewrite,
    Entry,
    OpContext,
    StoreDelete,
    StoreInsert,
    StoreNoop,
    StoreSearch,
    StoreUpdate,
    StructuredMemory,
    StructuredOp,
)
from fairmem.memory.terms import count_marks
from fairmem.policy import Family, Message, Prompt
from fairmem.policy.calls import ToolSpec
from fairmem.trace import Role
from fairmem.types import Turn


class Shown(NamedTuple):
    """The entries of each store that a prompt shows, by (time of last update, id)."""

    semantic: tuple[Entry, ...] = ()
    episodic: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those of both, in the order in which they are numbered."""
        return (*self.semantic, *self.episodic)


@dataclass(frozen=True, slots=True)
class Writer:
    """Retrieval, prompt and parser of the writer role.

    Attributes:
        family: Prompt family the model understands.
        max_related: Most entries shown; each of n turns finds `max_related // n` in each store, at least 1.
        max_tokens: Most tokens of a reply.
        core_tokens: Most tokens of the core text, as `count` counts them.
        search_rounds: How often the writer may search before it is done with a chunk (`instruct` only).
        native: Offer the tools as such, to endpoints that have tool calling; else they are described in the prompt.
        count: Tokens of a text.
        max_chars: Longest text of an entry, in characters.

    Raises:
        ConfigError: there is no such family.
    """

    family: Family
    max_related: int = 25
    max_tokens: int = 1024
    core_tokens: int = 512
    search_rounds: int = 0
    native: bool = False
    count: Callable[[str], int] = count_marks
    max_chars: int = 400
    role: ClassVar[Role] = "writer"

    def __post_init__(self) -> None:
        """Load the prompt, so that a wrong family fails here and not in a run."""
        load_prompt(self.family, self.role)

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt template."""
        return load_prompt(self.family, self.role).prompt_hash

    @property
    def rounds(self) -> int:
        """Most calls of the model per chunk."""
        return 1 if self.family == "compact" else self.search_rounds + 1

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """The tools that a request offers; none where the prompt describes them."""
        return writer_tools(self.rounds > 1) if self.native and self.family == "instruct" else ()

    def op_context(self, context: TurnContext) -> OpContext:
        """What operations decided in `context` may refer to."""
        base = context.op_context()
        return replace(base, core_tokens=self.core_tokens, count=self.count, max_chars=self.max_chars)

    def shown(self, memory: StructuredMemory, context: TurnContext) -> Shown:
        """The entries of `memory` that the turns of `context` may concern.

        A turn is looked for with its speaker's name, since that is how entries begin.
        """
        if not memory.size:
            return Shown()
        each = max(1, self.max_related // max(1, len(context.turns)))
        hits = [
            hit
            for turn in context.turns
            for store in STORES
            for hit in memory.search(store, f"{turn.speaker} {turn_text(turn)}", each)
        ]
        return _by_store(memory, nearest(hits, self.max_related))

    def prompt(self, context: TurnContext, memory: StructuredMemory, shown: Shown) -> Prompt:
        """The messages that ask how memory changes with the turns of `context`."""
        if self.family == "compact":
            semantic, episodic = ([entry.content for entry in entries] for entries in shown)
            return (
                Message("user", render_compact_write(context.time, memory.core, semantic, episodic, context.turns)),
            )
        searching = self.rounds > 1
        in_words = "Change the memory by calling the tools; call none if nothing changes."
        return load_prompt("instruct", self.role).render(
            {
                "limit": str(self.core_tokens),
                "searching": ": search for what might be there before you insert it" if searching else "",
                "tools": in_words if self.native else tools_in_words(searching),
                "date": long_date(context.time),
                "speakers": one_line(", ".join(context.speakers)),
                "core": one_line(memory.core) or "(empty)",
                "semantic": _rows(shown.semantic),
                "episodic": _rows(shown.episodic),
                "turns": "\n".join(_said(turn) for turn in context.turns),
            }
        )

    def found(self, memory: StructuredMemory, ops: Iterable[StructuredOp]) -> tuple[Entry, ...]:
        """What the searches among `ops` find in `memory`, each entry once."""
        hits = (hit for op in ops if isinstance(op, StoreSearch) for hit in op.found(memory))
        return tuple({hit.entry.id: hit.entry for hit in hits}.values())

    def told(self, entries: tuple[Entry, ...], last: bool) -> Message:
        """The message that answers a search, after which the writer goes on; `last`: it cannot search again."""
        more = "No search is left: make your changes now." if last else "Go on."
        return Message("user", f"Entries found:\n{_rows(by_update(entries))}\n{more}")

    def parse(
        self, text: str, truncated: bool, context: TurnContext, shown: tuple[Entry, ...], may_search: bool = False
    ) -> Parsed[StructuredOp]:
        """Read a reply; never raises.

        An operation names a turn of the chunk as its source, and an entry only if it is among `shown` (in the compact
        form in the order in which they were numbered); any other is dropped.
        """
        if self.family == "instruct":
            return read_calls(text, truncated, context, [entry.id for entry in shown], may_search)
        parsed = parse_compact_write(text, truncated, len(context.turns), [entry.content for entry in shown])
        return Parsed(tuple(_operation(w, context, shown) for w in parsed.items), parsed.outcome, parsed.dropped)


def _operation(written: Written, context: TurnContext, shown: tuple[Entry, ...]) -> StructuredOp:
    turn, text = context.turns[written.turn], written.text or ""
    if written.op == "CORE":
        return CoreRewrite(text, turn.id)
    if written.store is not None:
        about = next((name for name in context.speakers if text.startswith(name)), turn.speaker)
        return StoreInsert(written.store, about, text, turn.id)
    if written.position is None:
        return StoreNoop(turn.id)
    entry = shown[written.position - 1].id
    return StoreUpdate(entry, text, turn.id) if written.op == "UPDATE" else StoreDelete(entry, turn.id)


def _by_store(memory: StructuredMemory, entries: Iterable[Entry]) -> Shown:
    parts: dict[str, list[Entry]] = {store: [] for store in STORES}
    for entry in entries:
        parts[memory.place_of(entry.id) or ""].append(entry)
    return Shown(*(tuple(part) for part in parts.values()))


def _rows(entries: tuple[Entry, ...]) -> str:
    rows = [
        {"memory_id": entry.id, "updated": long_date(entry.updated_time), "content": one_line(entry.content)}
        for entry in entries
    ]
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) or "(none)"


def _said(turn: Turn) -> str:
    return json.dumps(
        {"turn": turn.id, "speaker": one_line(turn.speaker), "text": one_line(turn_text(turn))}, ensure_ascii=False
    )
