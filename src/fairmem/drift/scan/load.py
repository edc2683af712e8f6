"""Reading tools from a document: a tools/list result, a list of tools, JSONL, or a client configuration.

Accepted for a tool: MCP's `name` and `inputSchema`, the same with `input_schema` (Anthropic), OpenAI's
`{"type": "function", "function": {"name", "parameters"}}`, and `tool` in place of `name`. Around tools:
`{"tools": [...]}`, that as the `result` of a JSON-RPC answer, a plain list, a list of any of these, and one of them a
line. `server_id`, `server_id`, `server`,
`server_name` or `serverName` beside a tool or its list names the server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from fairmem.drift.scan.client_config import is_client_config, read_client_config
from fairmem.drift.scan.tool import Hints, Inventory, JsonObject, Place, Problem, ProblemKind, Tool, brief
from fairmem.errors import DataError

_NAMES = ("name", "tool", "tool_name")
_SCHEMAS = ("inputSchema", "input_schema", "parameters")
_SERVERS = ("server_id", "server", "server_name", "serverName")
_LARGEST = 256 * 2**20


def load_path(path: Path) -> Inventory:
    """The inventory of the file `path`.

    Raises:
        DataError: there is no such file, or it cannot be read. What is in it never raises.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a tools/list result, JSONL of tools or a client configuration")
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path}: larger than {_LARGEST // 2**20} MiB; split it")
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return load_text(text, source_name(path))


def source_name(path: Path) -> str:
    """`path` as reports show it: relative to the working folder if it lies below, with forward slashes."""
    full = path.resolve()
    return full.relative_to(Path.cwd()).as_posix() if full.is_relative_to(Path.cwd()) else full.as_posix()


def load_text(text: str, source: str) -> Inventory:
    """The inventory of the document `text`, which reports name `source`. Never raises."""
    place = Place(source)
    value = parse_document(text)
    if is_client_config(value):
        return read_client_config(cast(JsonObject, value), source, text)
    reader = _Reader()
    if isinstance(value, Lines):
        _read_lines(reader, value, place)
        return Inventory(source, tuple(reader.tools), tuple(reader.problems))
    if isinstance(value, Unparsed):
        found = f"the document is not JSON ({value})" if text.strip() else "the document is empty"
        reader.problem(ProblemKind.UNREADABLE_LINE, found, place)
    else:
        reader.read(value, place, "")
    return Inventory(source, tuple(reader.tools), tuple(reader.problems), text=text)


def read_listing(entries: list[object], place: Place, server: str) -> Inventory:
    """The inventory of the tools `entries` that the running `server` listed, as if they stood at `place`."""
    reader = _Reader()
    for index, entry in enumerate(entries):
        at = place.below("tools", index)
        if isinstance(entry, dict):
            reader.read(cast(JsonObject, {**cast(JsonObject, entry), "server_id": server}), at, server)
        else:
            reader.read(entry, at, server, depth=1)
    return Inventory(place.source, tuple(reader.tools), tuple(reader.problems))


class Lines(list[tuple[int, object]]):
    """The values of a JSONL document with their line numbers, from 1; broken lines are `Unparsed`."""


def parse_document(text: str) -> object:
    """The JSON value of `text`, its `Lines` if it is JSONL, or `Unparsed`; comments are allowed. Never raises."""
    value = parse_json(text)
    if not isinstance(value, Unparsed):
        return value
    lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    values = Lines((number, parse_json(line)) for number, line in lines)
    if len(values) > 1 and any(isinstance(one, dict) for _, one in values):
        return values
    plain = parse_json(without_comments(text))
    return value if isinstance(plain, Unparsed) else plain


class Unparsed(str):
    """Why a text is not JSON."""


def parse_json(text: str) -> object:
    """The JSON value of `text`, or why there is none. Never raises, however deep or long its numbers are."""
    try:
        return json.loads(text)
    except RecursionError:
        return Unparsed("nested too deeply")
    except ValueError as error:  # also: integers of thousands of digits
        return Unparsed(str(error).partition("(")[0].strip() or "not JSON")


_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*+"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'"(?:[^"\\]|\\.)*+"|,(?=\s*[}\]])', re.DOTALL)


def without_comments(text: str) -> str:
    """`text` without // and /* */ comments and trailing commas, as editors allow them; lines keep their numbers."""

    def kept(found: re.Match[str]) -> str:
        return found[0] if found[0].startswith('"') else "\n" * found[0].count("\n")

    return _LAST_COMMA.sub(kept, _COMMENT.sub(kept, text))


def _read_lines(reader: _Reader, lines: Lines, place: Place) -> None:
    for number, value in lines:
        at = Place(place.source, "", number)
        if isinstance(value, Unparsed):
            reader.problem(ProblemKind.UNREADABLE_LINE, f"line {number} is not JSON: {value}", at)
        else:
            reader.read(value, at, "")


class _Reader:
    """Collects tools and problems."""

    def __init__(self) -> None:
        self.tools: list[Tool] = []
        self.problems: list[Problem] = []
        self._names: set[tuple[str, str]] = set()

    def read(self, value: object, place: Place, server: str, depth: int = 0) -> None:
        """Read a tool, a list of tools or something that holds one."""
        if isinstance(value, list) and depth < 4 and (value or not depth):
            for index, one in enumerate(cast(list[object], value)):
                self.read(one, place.below(index), server, depth + 1)
            return
        if not isinstance(value, dict):
            self.problem(ProblemKind.NOT_A_TOOL, f"found {brief(value)}, expected a tool", place, server)
            return
        entry = cast(JsonObject, value)
        server = _first_text(entry, _SERVERS) or server
        for step, inner in _held(entry):
            if depth < 4:
                self.read(inner, place.below(*step), server, depth + 1)
                return
        function = entry.get("function")
        if isinstance(function, dict):
            self._add(cast(JsonObject, function), place.below("function"), server)
        else:
            self._add(entry, place, server)

    def problem(
        self, kind: ProblemKind, message: str, place: Place, server: str = "", tool: str = "", unread: bool = True
    ) -> None:
        self.problems.append(Problem(kind, message, place, server, tool, unread))

    def _add(self, entry: JsonObject, place: Place, server: str) -> None:
        name = _first_text(entry, _NAMES)
        if not name:
            self.problem(ProblemKind.NOT_A_TOOL, "found an object without a name, expected a tool", place, server)
            return
        key = next((key for key in _SCHEMAS if key in entry), "")
        if not key:
            message = f"tool {brief(name)} has no inputSchema"
            self.problem(ProblemKind.NO_SCHEMA, message, place, server, name)
            return
        if (server, name) in self._names:
            message = f"tool {brief(name)} is listed again; both are scanned"
            self.problem(ProblemKind.DUPLICATE_TOOL, message, place, server, name, unread=False)
        self._names.add((server, name))
        described = entry.get("description")
        self.tools.append(
            Tool(
                server=server,
                name=name,
                description=described if isinstance(described, str) else "",
                schema=entry[key],
                hints=_hints(entry.get("annotations")),
                place=place.below(key),
            )
        )


def _held(entry: JsonObject) -> Iterator[tuple[tuple[str, ...], object]]:
    """(steps, list of tools) where `entry` is no tool itself but holds some."""
    result = entry.get("result")
    if isinstance(result, dict) and "tools" in result:
        yield ("result", "tools"), cast(JsonObject, result)["tools"]
    elif "tools" in entry and not any(key in entry for key in _SCHEMAS):
        yield ("tools",), entry["tools"]


def _first_text(entry: JsonObject, keys: tuple[str, ...]) -> str:
    return next((value for key in keys if isinstance(value := entry.get(key), str) and value), "")


def _hints(annotations: object) -> Hints:
    if not isinstance(annotations, dict):
        return Hints()
    notes = cast(JsonObject, annotations)
    read_only, destructive = notes.get("readOnlyHint"), notes.get("destructiveHint")
    return Hints(
        read_only=read_only if isinstance(read_only, bool) else None,
        destructive=destructive if isinstance(destructive, bool) else None,
    )
