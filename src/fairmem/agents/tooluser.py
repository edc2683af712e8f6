"""The tool user of the `compact` family: what a small model is shown of memory, task and tools, and the call it writes.

    <call>
    Ana owns a swift canoe.
    <question> You keep the ward. Prepare it for Mara.
    <facts>
    ward
    wait long fair short none
    time 0 to 11
    <out>
    ward
    wait fair
    time 7

A tool is its name and one line per parameter with what the schema allows; a call is the tool's name and one line per
argument, in the order of the schema, every line ended. Parameters of objects are named by their path
(`limits/seconds`). The prompt ends with the newline after `<out>`. Marks are tokens that the bundled model has already
(`<call>` alone is spelled). All functions are pure and total: free text passes `compact_line`.

Simplified: `anyOf` and its like are not shown, and descriptions of tools and parameters are left out; a small model has
learned what its parameters mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fairmem.agents.prompts import load_prompt
from fairmem.agents.wording import compact_line
from fairmem.policy.calls import ToolReply, ToolSpec, loads

_MAX_DEPTH = 8
_CUT = 2000


@dataclass(frozen=True, slots=True)
class Leaf:
    """A parameter that is no object of its own; `path` leads to it from the arguments."""

    path: tuple[str, ...]
    schema: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As the prompt calls it."""
        return compact_line("/".join(self.path))


def leaves(schema: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The parameters of a tool whose arguments have `schema`, in its order; objects are gone into, eight deep."""
    properties = schema.get("properties")
    for name, described in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(described, Mapping):
            continue
        inner = cast(Mapping[str, Any], described)
        path = (*above, str(name))
        if isinstance(inner.get("properties"), Mapping) and len(path) < _MAX_DEPTH:
            yield from leaves(inner, path)
        else:
            yield Leaf(path, inner)


def render_compact_call(memories: Sequence[str], task: str, tools: Sequence[ToolSpec]) -> str:
    """The prompt: `memories` one a line in the given order, the whole `task`, and the `tools`."""
    lines: list[str] = []
    for tool in tools:
        lines.append(compact_line(tool.name))
        lines += [f"{leaf.name} {_allowed(leaf.schema)}".rstrip() for leaf in leaves(tool.schema)]
    values = {
        "memories": "\n".join(compact_line(memory) for memory in memories),
        "task": compact_line(task),
        "tools": "\n".join(lines),
    }
    return load_prompt("compact", "tooluser").messages[0][1].render(values)


def _allowed(schema: Mapping[str, Any]) -> str:
    """What a parameter may be: its values, or its bounds; empty where anything goes."""
    if isinstance(schema.get("enum"), list):
        return _listed(schema["enum"])
    if "const" in schema:
        return argument_text(schema["const"])
    if schema.get("type") == "boolean":
        return "true false"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{argument_text(low)} to {argument_text(high)}"
    if low is not None or high is not None:
        return f"from {argument_text(low)}" if high is None else f"up to {argument_text(high)}"
    items = schema.get("items")
    if isinstance(items, Mapping) and isinstance(items.get("enum"), list):
        return f"some of {_listed(items['enum'])}"
    return ""


def _listed(values: Sequence[Any]) -> str:
    """Values side by side; with commas where one holds a blank."""
    texts = [argument_text(value) for value in values]
    return (", " if any(" " in text for text in texts) else " ").join(texts)


def argument_text(value: Any) -> str:
    """An argument as a call says it: strings as they are, anything else as JSON, on one line."""
    return compact_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def format_compact_call(tool: ToolSpec, arguments: Mapping[str, Any]) -> str:
    """The reply that calls `tool`; arguments that are no parameter of it are not said."""
    said = [(leaf, _at(arguments, leaf.path)) for leaf in leaves(tool.schema)]
    lines = [f"{leaf.name} {argument_text(found[0])}".rstrip() for leaf, found in said if found]
    return "".join(f"{line}\n" for line in (compact_line(tool.name), *lines))


def compact_call_until(tool: ToolSpec, arguments: Mapping[str, Any], path: Sequence[str], value: Any) -> str:
    """The beginning of such a reply up to the line that sets the parameter at `path` to `value`, its end included.

    What comes after that line is not said: the value's probability depends on what stands before it.
    """
    text = f"{compact_line(tool.name)}\n"
    for leaf in leaves(tool.schema):
        if leaf.path == tuple(path):
            return text + f"{leaf.name} {argument_text(value)}".rstrip() + "\n"
        found = _at(arguments, leaf.path)
        text += f"{leaf.name} {argument_text(found[0])}".rstrip() + "\n" if found else ""
    return text + f"{compact_line('/'.join(path))} {argument_text(value)}".rstrip() + "\n"


def _at(arguments: Mapping[str, Any], path: Sequence[str]) -> tuple[Any] | None:
    """The argument at `path`, in a tuple, since None is one too; None if it is not there."""
    found: Any = arguments
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return (found,)


def parse_compact_call(text: str, truncated: bool, tools: Sequence[ToolSpec]) -> ToolReply:
    """The call in a reply; never raises.

    The first line names the tool; if it is none of `tools`, the reply is a call of something else, and its arguments
    are not read. A line that begins with no parameter's name counts as an argument of that name, so that a schema
    without further properties refuses it. Of two lines for one parameter the last counts.

    Args:
        text: The reply, without special tokens.
        truncated: It hit the token limit, so a line without its end may be cut, and is left out.
        tools: Those that the prompt showed.
    """
    lines = text.split("\n")
    if truncated:
        lines = lines[:-1]
    lines = [line.strip() for line in lines if line.strip()]
    shown: dict[str, Any] = {"text": text[:_CUT], "in_text": True, "truncated": truncated}
    if not lines:
        return ToolReply(None, None, calls=0, **shown)
    tool = next((tool for tool in tools if compact_line(tool.name) == lines[0]), None)
    if tool is None:
        return ToolReply(lines[0], None, calls=1, **shown)
    known = sorted(leaves(tool.schema), key=lambda leaf: -len(leaf.name))
    arguments: dict[str, Any] = {}
    for line in lines[1:]:
        leaf = next((leaf for leaf in known if f"{line} ".startswith(f"{leaf.name} ")), None)
        if leaf is None:
            name, _, said = line.partition(" ")
            arguments.setdefault(name, said)
            continue
        place = arguments
        for name in leaf.path[:-1]:
            inner = place.get(name)
            place[name] = inner if isinstance(inner, dict) else {}
            place = place[name]
        place[leaf.path[-1]] = _read(line[len(leaf.name) :].strip(), leaf.schema)
    return ToolReply(tool.name, arguments, calls=1, **shown)


def _read(said: str, schema: Mapping[str, Any]) -> Any:
    """The value that `said` stands for: one of the enumeration as it is written there, text for strings, else JSON."""
    options: list[Any] = schema["enum"] if isinstance(schema.get("enum"), list) else []
    for option in options:
        if argument_text(option) == said:
            return option
    if schema.get("type") == "string":
        return said
    found = loads(said)
    return said if found is None and said != "null" else found
