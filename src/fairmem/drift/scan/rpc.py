"""Asking a running MCP server for its tools: initialize, then tools/list page by page, and nothing else.

JSON-RPC over a `Transport` (`stdio`, `http`), spoken here so that a scan needs no SDK. No tool is ever called. A
server that answers wrongly ends in a `Listing` with a fault and the tools it gave until then.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from fairmem import __version__
from fairmem.drift.scan.tool import JsonObject, brief

PROTOCOL_VERSION = "2025-06-18"
_MOST_PAGES = 1_000
_MOST_OTHER = 1_000


class ServerFault(Exception):
    """A server did not do what MCP asks of it; the text says what. Never leaves `list_tools`."""


class Transport(Protocol):
    """A connection to one server."""

    def send(self, message: Mapping[str, object], deadline: float) -> None:
        """Send one message.

        Raises:
            ServerFault: it cannot be sent before `deadline` (of `time.monotonic`).
        """
        ...

    def receive(self, deadline: float) -> object:
        """The next message of the server, as JSON.

        Raises:
            ServerFault: none came before `deadline`, or it is not JSON.
        """
        ...

    def close(self) -> None:
        """End the connection, and the process if one was started. Safe to call twice."""
        ...


@dataclass(frozen=True, slots=True)
class Listing:
    """What a server listed: `tools` as they came, `name` as it calls itself, `fault` ("" if none)."""

    tools: tuple[object, ...]
    name: str
    fault: str


def list_tools(transport: Transport, *, timeout: float) -> Listing:
    """Every tool of the server behind `transport`, within `timeout` seconds in all; closes the transport."""
    deadline = time.monotonic() + timeout
    tools: list[object] = []
    name = ""
    try:
        opened = _request(transport, 1, "initialize", _opening(), deadline)
        about = opened.get("serverInfo")
        found = cast(JsonObject, about).get("name") if isinstance(about, dict) else None
        name = found if isinstance(found, str) else ""
        transport.send({"jsonrpc": "2.0", "method": "notifications/initialized"}, deadline)
        _read_pages(transport, tools, deadline)
    except ServerFault as fault:
        return Listing(tuple(tools), name, str(fault))
    finally:
        transport.close()
    return Listing(tuple(tools), name, "")


def _opening() -> JsonObject:
    return {
        "protocolVersion": PROTOCOL_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "fairmem", "version": __version__},
    }


def _read_pages(transport: Transport, tools: list[object], deadline: float) -> None:
    """Add the tools of every page to `tools`."""
    cursors: set[str] = set()
    parameters: JsonObject = {}
    for page in range(_MOST_PAGES):
        result = _request(transport, page + 2, "tools/list", parameters, deadline)
        listed, cursor = read_page(result)
        tools += listed
        if not cursor:
            return
        if cursor in cursors:
            raise ServerFault(f"tools/list gives the cursor {brief(cursor)} again, so its pages never end")
        cursors.add(cursor)
        parameters = {"cursor": cursor}
    raise ServerFault(f"tools/list has more than {_MOST_PAGES} pages")


def read_page(result: JsonObject) -> tuple[list[object], str]:
    """(tools, cursor of the next page or "") of the result of one tools/list.

    Raises:
        ServerFault: it has no list of tools.
    """
    tools, cursor = result.get("tools"), result.get("nextCursor")
    if not isinstance(tools, list):
        raise ServerFault(f"tools/list has {brief(tools)} under 'tools', expected a list")
    if cursor is not None and not isinstance(cursor, str):
        raise ServerFault(f"tools/list has {brief(cursor)} under 'nextCursor', expected text")
    return cast(list[object], tools), cursor or ""


def _request(transport: Transport, number: int, method: str, parameters: JsonObject, deadline: float) -> JsonObject:
    transport.send({"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}, deadline)
    for _ in range(_MOST_OTHER):
        message = transport.receive(deadline)
        if not isinstance(message, dict):
            continue
        fields = cast(JsonObject, message)
        if "method" in fields:
            _answer(transport, fields, deadline)
        elif fields.get("id") == number:
            return read_answer(fields, method)
    raise ServerFault(f"no answer to {method} among {_MOST_OTHER} messages")


def read_answer(message: JsonObject, method: str) -> JsonObject:
    """The result in the answer `message` to `method`.

    Raises:
        ServerFault: it holds an error, or no object as result.
    """
    error = message.get("error")
    if error is not None:
        text = cast(JsonObject, error).get("message") if isinstance(error, dict) else error
        raise ServerFault(f"{method} was refused: {brief(text, 200)}")
    result = message.get("result")
    if not isinstance(result, dict):
        raise ServerFault(f"{method} gave {brief(result)}, expected an object")
    return cast(JsonObject, result)


def _answer(transport: Transport, fields: JsonObject, deadline: float) -> None:
    """Answer a request of the server: a ping is answered, everything else is not offered."""
    if "id" not in fields:
        return
    answer: dict[str, Any] = {"jsonrpc": "2.0", "id": fields["id"]}
    if fields["method"] == "ping":
        answer["result"] = {}
    else:
        answer["error"] = {"code": -32601, "message": "not offered by this client"}
    transport.send(answer, deadline)


def decode(line: str | bytes) -> object:
    """The JSON value of one message.

    Raises:
        ServerFault: it is not JSON.
    """
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        shown = line.decode("utf-8", errors="replace") if isinstance(line, bytes) else line
        raise ServerFault(f"the server wrote {brief(shown.strip())}, which is not JSON") from error
