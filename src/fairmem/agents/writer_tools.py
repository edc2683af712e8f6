"""The writer's tools: their JSON schemas, and reading the calls of a reply as operations on a structured memory.

A reply is `{"calls": [{"tool": NAME, "arguments": {...}}, ...]}`. An endpoint with native tool calling gives its calls
as such, and the policy hands them on in this very form, so there is one parser. It never raises: a call that cannot be
used is dropped with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fairmem.agents.context import TurnContext
from fairmem.agents.fields import Unusable, as_object
from fairmem.agents.json_reply import read_json_items
from fairmem.agents.parsing import Parsed, outcome_of, snippet
from fairmem.agents.wording import one_line
from fairmem.memory import CoreRewrite, Store, StoreDelete, StoreInsert, StoreSearch, StoreUpdate, StructuredOp
from fairmem.policy.calls import ToolSpec, read_object

_Text = Annotated[str, Field(min_length=1)]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="ignore")


class InsertCall(_Arguments):
    """Add an entry of one sentence to a store."""

    store: Store
    content: _Text
    turn: str


class UpdateCall(_Arguments):
    """Rewrite an entry that was shown; the new text keeps what still holds."""

    memory_id: int
    content: _Text
    turn: str


class DeleteCall(_Arguments):
    """Delete an entry that was shown and is no longer true."""

    memory_id: int
    turn: str | None = None


class CoreCall(_Arguments):
    """Replace the whole core text."""

    content: _Text
    turn: str


class SearchCall(_Arguments):
    """Look for entries by words; without a store, in both. The result is shown to you before you go on."""

    query: _Text
    store: Store | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 10


SEARCH = "memory_search"
CALLS: dict[str, type[_Arguments]] = {
    "memory_insert": InsertCall,
    "memory_update": UpdateCall,
    "memory_delete": DeleteCall,
    "core_rewrite": CoreCall,
    SEARCH: SearchCall,
}
"""Name of a tool -> its arguments; the docstring is its description."""


def writer_tools(searching: bool) -> tuple[ToolSpec, ...]:
    """The tools as a model is told about them."""
    return tuple(
        ToolSpec(name, " ".join((call.__doc__ or "").split()), call.model_json_schema())
        for name, call in CALLS.items()
        if searching or name != SEARCH
    )


def tools_in_words(searching: bool) -> str:
    """The tools and the form of a reply, for models that are not given them natively."""
    listed = [
        json.dumps({"tool": tool.name, "description": tool.description, "parameters": tool.schema}, ensure_ascii=False)
        for tool in writer_tools(searching)
    ]
    return "\n".join(
        [
            "Tools, one JSON object per line:",
            *listed,
            'Answer with one JSON object and nothing else: {"calls": [{"tool": NAME, "arguments": {...}}, ...]}',
            'If nothing changes: {"calls": []}',
        ]
    )


def read_calls(
    text: str, truncated: bool, context: TurnContext, shown: Sequence[int], may_search: bool
) -> Parsed[StructuredOp]:
    """The operations of a reply about the turns of `context`, on the entries `shown`; never raises.

    The second call on one entry, a second rewrite of the core and a repeated call are dropped.
    """
    found = read_json_items(text, "calls")
    dropped = list(found.dropped)
    ops: list[StructuredOp] = []
    touched: set[int | str] = set()
    for item in found.items:
        try:
            op = _read_call(as_object(item), context, shown, may_search)
            target = op.entry if isinstance(op, StoreUpdate | StoreDelete) else op.name
            if target in touched and not isinstance(op, StoreInsert | StoreSearch):
                raise Unusable(f"second call on {target if isinstance(target, str) else f'entry {target}'}: {op.name}")
            if op in ops:
                raise Unusable(f"second {op.name} of the same")
            touched.add(target)
            ops.append(op)
        except Unusable as reason:
            dropped.append(str(reason))
    outcome = outcome_of(truncated=truncated, formed=found.formed, kept=len(ops), dropped=len(dropped))
    return Parsed(tuple(ops), outcome, tuple(dropped))


def _read_call(
    item: Mapping[str, object], context: TurnContext, shown: Sequence[int], may_search: bool
) -> StructuredOp:
    name = next((item[key] for key in ("tool", "name", "function") if isinstance(item.get(key), str)), None)
    known = CALLS.get(str(name).strip().lower())
    if known is None:
        raise Unusable(f"no tool {snippet(str(name))}")
    given = next((item[key] for key in ("arguments", "parameters", "args") if key in item), {})
    arguments = read_object(given)
    if arguments is None:
        raise Unusable(f"arguments of {name} are no object: {snippet(str(given))}")
    try:
        call = known.model_validate(arguments)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise Unusable(f"{name}: '{where}': {first['msg'][:80]}") from None
    if isinstance(call, SearchCall):
        if not may_search:
            raise Unusable(f"no search left: {snippet(call.query)}")
        return StoreSearch(one_line(call.query), call.store, call.limit)
    if isinstance(call, InsertCall):
        source = _turn(call.turn, context)
        speaker = next(turn.speaker for turn in context.turns if turn.id == source)
        content = _content(call.content)
        about = next((who for who in context.speakers if content.startswith(one_line(who))), speaker)
        return StoreInsert(call.store, about, content, source)
    if isinstance(call, CoreCall):
        return CoreRewrite(_content(call.content), _turn(call.turn, context))
    if not isinstance(call, UpdateCall | DeleteCall) or call.memory_id not in shown:
        raise Unusable(f"{name}: no entry {snippet(str(getattr(call, 'memory_id', None)))} among those shown")
    if isinstance(call, UpdateCall):
        return StoreUpdate(call.memory_id, _content(call.content), _turn(call.turn, context))
    return StoreDelete(call.memory_id, _turn(call.turn, context) if call.turn else None)


def _content(text: str) -> str:
    line = one_line(text)
    if not line:
        raise Unusable("'content' is empty")
    return line


def _turn(id: str, context: TurnContext) -> str:
    """The turn that a call names; ids are matched without blanks around them."""
    if id.strip() not in context.turn_ids:
        raise Unusable(f"no turn {snippet(id)} in this chunk")
    return id.strip()
