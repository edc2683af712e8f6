"""Tool calls over chat completions: how they are asked for, and how they are read. Pure functions.

Endpoints differ in what they understand, so there are four rungs to ask on: `named` (this tool and no other),
`required` (some tool), `auto` (tools are offered), `text` (no tools; the call is asked for as JSON in the reply).
A call that is written as JSON into an ordinary reply is read on every rung.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from fairmem.trace import CallFailure, FailureKind

Rung = Literal["named", "required", "auto", "text"]
RUNGS: tuple[Rung, ...] = ("named", "required", "auto", "text")
"""From the strictest down."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_DEPTH = 40
_MAX_TRIES = 64
_MAX_DIGITS = 300
_QUOTED = 200


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is told about it: `schema` is the JSON schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolReply:
    """What a model answered.

    Attributes:
        tool: Name of the first called tool; None without a call.
        arguments: Its arguments; None if they are not a JSON object.
        text: What was read: the arguments as they came, or the text of the reply.
        calls: Calls in the reply.
        in_text: The call was written into the text of the reply.
        refused: The endpoint says that the model refused.
        truncated: The reply hit the token limit.
        prompt_tokens: As reported; 0 if not.
        generated_tokens: Likewise.
    """

    tool: str | None
    arguments: Mapping[str, Any] | None
    text: str
    calls: int = 0
    in_text: bool = False
    refused: bool = False
    truncated: bool = False
    prompt_tokens: int = 0
    generated_tokens: int = 0


def wire_names(tools: Sequence[ToolSpec]) -> dict[str, str]:
    """Name of each tool -> a name that endpoints accept, unique among them."""
    names: dict[str, str] = {}
    for tool in tools:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", tool.name)[:64] or "tool"
        suffix = 2
        while name in names.values():
            name = f"{name[:60]}_{suffix}"
            suffix += 1
        names[tool.name] = tool.name if _NAME.fullmatch(tool.name) and tool.name not in names.values() else name
    return names


def tool_fields(tools: Sequence[ToolSpec], rung: Rung, expected: str) -> dict[str, Any]:
    """The fields of a request that offers `tools` on `rung`; none on `text`."""
    if rung == "text":
        return {}
    names = wire_names(tools)
    offered = [
        {
            "type": "function",
            "function": {
                "name": names[tool.name],
                "description": tool.description,
                "parameters": {key: value for key, value in tool.schema.items() if key != "$schema"},
            },
        }
        for tool in tools
    ]
    named = {"type": "function", "function": {"name": names[expected]}}
    return {"tools": offered, "tool_choice": named if rung == "named" else rung}


def text_instruction(tools: Sequence[ToolSpec]) -> str:
    """What the prompt says where a call is asked for as JSON in the reply."""
    listed = "\n".join(
        json.dumps({"tool": t.name, "description": t.description, "parameters": t.schema}, ensure_ascii=False)
        for t in tools
    )
    return (
        f"Tools, one JSON object per line:\n{listed}\n\n"
        'Reply with exactly one tool call as a JSON object and nothing else: {"tool": NAME, "arguments": {...}}'
    )


def read_tool_reply(text: str, tools: Sequence[ToolSpec]) -> CallFailure | ToolReply:
    """The call in the body of a 200 answer; a failure if the body is no chat completion. Never raises."""
    body = loads(text)
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(message, dict):
        quoted = " ".join(text.split())[:_QUOTED]
        return CallFailure(kind=FailureKind.BAD_RESPONSE, message=f"the answer is no chat completion: {quoted}")
    reason = first.get("finish_reason")
    usage = body.get("usage") if isinstance(body, dict) else None
    shared: dict[str, Any] = {
        "truncated": reason == "length",
        "refused": reason == "content_filter" or bool(message.get("refusal")),
        "prompt_tokens": _count(usage, "prompt_tokens"),
        "generated_tokens": _count(usage, "completion_tokens"),
    }
    content = message.get("content")
    content = content if isinstance(content, str) else ""
    called = _first_call(message)
    if called is None:
        return read_call_in_text(content, tools, **shared)
    name, arguments, calls = called
    back = {wire: own for own, wire in wire_names(tools).items()}
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)
    return ToolReply(back.get(name, name), read_object(arguments), raw, calls=calls, **shared)


NO_CALLS = json.dumps({"calls": []})
"""What `calls_as_text` would say of a reply that calls nothing."""


def calls_as_text(message: Mapping[str, Any], tools: Sequence[ToolSpec]) -> str | None:
    """The calls of a chat message as the text `{"calls": [{"tool": NAME, "arguments": {...}}]}`; None without any.

    Arguments that are no JSON object stay as the text they came as, for a parser to say so.
    """
    listed = message.get("tool_calls")
    functions = [call.get("function") for call in cast("list[Any]", listed if isinstance(listed, list) else [])
                 if isinstance(call, dict)]  # fmt: skip
    back = {wire: own for own, wire in wire_names(tools).items()}
    calls = [
        {"tool": back.get(f["name"], f["name"]), "arguments": read_object(f.get("arguments")) or f.get("arguments")}
        for f in functions
        if isinstance(f, dict) and isinstance(f.get("name"), str)
    ]
    return json.dumps({"calls": calls}, ensure_ascii=False, default=str) if calls else None


def read_call_in_text(text: str, tools: Sequence[ToolSpec], **shared: Any) -> ToolReply:
    """The call written as a JSON object into `text`; `tool` is None if there is none."""
    known = {name.casefold(): tool.name for tool in tools for name in (tool.name, wire_names(tools)[tool.name])}
    for found in _objects(text):
        name = next((found[key] for key in ("tool", "name", "function") if isinstance(found.get(key), str)), None)
        if name is None:
            continue
        arguments = next((found[key] for key in ("arguments", "parameters", "args") if key in found), None)
        return ToolReply(
            known.get(name.casefold(), name), read_object(arguments), text, calls=1, in_text=True, **shared
        )
    # A call was begun, and its JSON cannot be read: that is another outcome than no call.
    begun = re.search(r'"(?:tool|name)"\s*:\s*"([^"\\]{1,80})"', text)
    if begun and begun[1].casefold() in known:
        return ToolReply(known[begun[1].casefold()], None, text, calls=1, in_text=True, **shared)
    return ToolReply(None, None, text, **shared)


def read_object(value: object) -> dict[str, Any] | None:
    """`value`, or the JSON text in it, as an object; None if it is none. An empty text is an empty object."""
    if isinstance(value, str):
        value = loads(value) if value.strip() else {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def loads(text: str) -> Any:
    """The JSON value of `text`; None if it is not JSON, or nests deeper than any call does. Never raises."""
    depth = deepest = 0
    for mark in re.finditer(r"[\[{\]}]", text):
        depth += 1 if mark[0] in "[{" else -1
        deepest = max(deepest, depth)
    if deepest > _MAX_DEPTH:
        return None
    try:
        return json.loads(text, strict=False, parse_int=_integer, parse_constant=_null)
    except ValueError:
        return None


def _integer(digits: str) -> int | float:
    # int() of more than 4300 digits raises; nothing that long is a parameter.
    return int(digits) if len(digits) <= _MAX_DIGITS else float("inf")


def _null(_: str) -> None:
    return None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects in `text`, in order of their start, a bounded number of tries."""
    decoder = json.JSONDecoder(strict=False, parse_int=_integer, parse_constant=_null)
    start = text.find("{")
    for _ in range(_MAX_TRIES):
        if start < 0:
            return
        try:
            value, _end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            yield cast(dict[str, Any], value)
        start = text.find("{", start + 1)


def _first_call(message: Mapping[str, Any]) -> tuple[str, object, int] | None:
    """(name, arguments, number of calls) of the first call of a message; None if there is none."""
    calls = message.get("tool_calls")
    listed: list[Any] = calls if isinstance(calls, list) else []
    functions = [call.get("function") for call in listed if isinstance(call, dict)]
    legacy = message.get("function_call")
    found = [f for f in (*functions, legacy) if isinstance(f, dict) and isinstance(f.get("name"), str)]
    return (found[0]["name"], found[0].get("arguments"), len(found)) if found else None


def _count(usage: Any, field: str) -> int:
    value = usage.get(field) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
