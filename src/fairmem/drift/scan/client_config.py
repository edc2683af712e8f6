"""Client configurations: which servers a client starts, and what it approves without asking.

Read are `mcpServers` (Claude Desktop, Cursor, Windsurf, Cline), `servers` (VS Code's mcp.json), `mcp.servers`
(VS Code's settings) and `context_servers` (Zed). Without running a server a configuration tells nothing of its tools,
so each server is a problem of the scan until it was asked. Values of `env` and `headers` are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from fairmem.drift.scan.tool import AutoApproval, Inventory, JsonObject, Place, Problem, ProblemKind, brief

_SECTIONS = (("mcpServers",), ("mcp", "servers"), ("mcp", "mcpServers"), ("servers",), ("context_servers",))
_APPROVALS = ("autoApprove", "alwaysAllow", "autoAllow", "auto_approve", "always_allow")
_VARIABLE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """How to reach one server: a command to start, or an address.

    Attributes:
        name: Its name in the configuration.
        command: Program and arguments; () for an address.
        url: Address; "" for a command.
        env: Variables for the program.
        headers: HTTP headers.
        cwd: Folder to start the program in; "" is the current one.
        place: Where it is configured.
    """

    name: str
    command: tuple[str, ...]
    url: str
    env: Mapping[str, str]
    headers: Mapping[str, str]
    cwd: str
    place: Place


def is_client_config(value: object) -> bool:
    """Whether the JSON `value` is a client configuration."""
    return _section(value) is not None


def read_client_config(value: JsonObject, source: str, text: str = "") -> Inventory:
    """What the configuration `value` tells without running anything."""
    servers, approvals, problems = read_servers(value, source)
    problems += [
        Problem(
            ProblemKind.SERVER_NOT_RUN,
            f"server {brief(server.name)} was not asked for its tools; --run-servers does",
            server.place,
            server.name,
        )
        for server in servers
    ]
    return Inventory(source, (), tuple(problems), tuple(approvals), text)


def read_servers(value: object, source: str) -> tuple[list[ServerSpec], list[AutoApproval], list[Problem]]:
    """(servers to ask, automatic approvals, what cannot be understood) of the configuration `value`."""
    servers: list[ServerSpec] = []
    approvals: list[AutoApproval] = []
    problems: list[Problem] = []
    found = _section(value)
    if found is None:
        message = "found no servers, expected 'mcpServers' or 'servers'"
        return [], [], [Problem(ProblemKind.BAD_CONFIG, message, Place(source))]
    steps, section = found
    for name, entry in section.items():
        place = Place(source).below(*steps, name)
        if not isinstance(entry, dict):
            message = f"server {brief(name)} is {brief(entry)}, expected an object"
            problems.append(Problem(ProblemKind.BAD_CONFIG, message, place, name))
            continue
        fields = cast(JsonObject, entry)
        if fields.get("disabled") is True or fields.get("enabled") is False:
            continue
        approvals += _approvals(name, fields, place)
        server = _server(name, fields, place)
        if isinstance(server, str):
            problems.append(Problem(ProblemKind.BAD_CONFIG, server, place, name))
        else:
            servers.append(server)
    return servers, approvals, problems


def _section(value: object) -> tuple[tuple[str, ...], JsonObject] | None:
    for steps in _SECTIONS:
        inner = value
        for step in steps:
            inner = cast(JsonObject, inner).get(step) if isinstance(inner, dict) else None
        # `servers` alone is a common word; elsewhere its entries are no ways to reach one.
        if isinstance(inner, dict) and (steps != ("servers",) or _reachable(cast(JsonObject, inner))):
            return steps, cast(JsonObject, inner)
    return None


def _reachable(section: JsonObject) -> bool:
    return any(isinstance(entry, dict) and ("command" in entry or "url" in entry) for entry in section.values())


def _approvals(name: str, fields: JsonObject, place: Place) -> list[AutoApproval]:
    found: list[AutoApproval] = []
    for key in _APPROVALS:
        value = fields.get(key)
        listed = cast(list[object], value) if isinstance(value, list) else []
        tools = tuple(tool for tool in listed if isinstance(tool, str))
        if value is True or "*" in tools:
            found.append(AutoApproval(name, (), place.below(key)))
        elif tools:
            found.append(AutoApproval(name, tools, place.below(key)))
    return found


def _server(name: str, fields: JsonObject, place: Place) -> ServerSpec | str:
    """The server, or what is wrong with its entry."""
    command, url = fields.get("command"), fields.get("url", fields.get("serverUrl"))
    if isinstance(command, dict):  # Zed: {"path", "args", "env"}
        fields = {**fields, **cast(JsonObject, command)}
        command = fields.get("path")
    arguments = fields.get("args", [])
    words = cast(list[object], arguments) if isinstance(arguments, list) else []
    if isinstance(command, str) and command:
        if not isinstance(arguments, list) or not all(isinstance(word, str) for word in words):
            return f"server {brief(name)}: args is no list of texts"
        line = (command, *(str(word) for word in words))
    elif isinstance(url, str) and url:
        line = ()
    else:
        return f"server {brief(name)} has neither a command nor a url"
    return ServerSpec(
        name=name,
        command=line,
        url="" if line else cast(str, url),
        env=_texts(fields.get("env")),
        headers=_texts(fields.get("headers")),
        cwd=cwd if isinstance(cwd := fields.get("cwd"), str) else "",
        place=place,
    )


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    entries = cast(JsonObject, value)
    return {key: str(held) for key, held in entries.items() if isinstance(held, str | int | float)}


def unfilled(server: ServerSpec) -> str:
    """The first variable such as `${input:key}` that only the client itself can fill; "" if there is none."""
    parts = (*server.command, server.url, *server.env.values(), *server.headers.values())
    return next((found[0] for part in parts if (found := _VARIABLE.search(part))), "")
