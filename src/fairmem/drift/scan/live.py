"""Inventories of running servers: a command, an address, or every server of a client configuration.

Starting a server runs someone's program with your rights, so nothing here happens unless it was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from fairmem.drift.scan.client_config import ServerSpec, is_client_config, read_servers, unfilled
from fairmem.drift.scan.http import HttpTransport
from fairmem.drift.scan.load import parse_document, read_listing, source_name
from fairmem.drift.scan.rpc import Listing, ServerFault, list_tools
from fairmem.drift.scan.stdio import StdioTransport
from fairmem.drift.scan.tool import Inventory, JsonObject, Place, Problem, ProblemKind, brief
from fairmem.errors import ConfigError, DataError


def ask_command(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str = "", timeout: float = 30.0
) -> Listing:
    """What the server that `command` starts lists, within `timeout` seconds. Never raises because of the server."""
    try:
        transport = StdioTransport(command, env=env, cwd=cwd)
    except ServerFault as fault:
        return Listing((), "", str(fault))
    return list_tools(transport, timeout=timeout)


def ask_url(url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 30.0) -> Listing:
    """What the server at `url` lists, within `timeout` seconds. Never raises because of the server."""
    try:
        transport = HttpTransport(url, headers=headers)
    except ServerFault as fault:
        return Listing((), "", str(fault))
    return list_tools(transport, timeout=timeout)


def load_command(command: Sequence[str], *, timeout: float = 30.0) -> Inventory:
    """The inventory of the server that `command` starts.

    Raises:
        ConfigError: the command is empty or the timeout is not positive.
    """
    if not command or timeout <= 0:
        raise ConfigError(f"command {' '.join(command)!r}, timeout {timeout}: expected a command and a positive number")
    return _inventory(ask_command(command, timeout=timeout), Place(f"stdio/{Path(command[0]).name}"), "")


def load_url(url: str, *, timeout: float = 30.0) -> Inventory:
    """The inventory of the server at `url`.

    Raises:
        ConfigError: the timeout is not positive.
    """
    if timeout <= 0:
        raise ConfigError(f"timeout {timeout}: expected a positive number of seconds")
    return _inventory(ask_url(url, timeout=timeout), Place(url.partition("?")[0]), "")


def load_running(path: Path, *, timeout: float = 30.0) -> Inventory:
    """The inventory of every server of the client configuration `path`, each started or contacted in turn.

    Raises:
        DataError: the file cannot be read or is no client configuration.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    value = parse_document(text)
    if not is_client_config(value):
        raise DataError(f"{path}: no client configuration (mcpServers, servers), so there is no server to run")
    source = source_name(path)
    servers, approvals, problems = read_servers(cast(JsonObject, value), source)
    found = [_run(server, timeout) for server in servers]
    return Inventory(
        source=source,
        tools=tuple(tool for inventory in found for tool in inventory.tools),
        problems=(*problems, *(problem for inventory in found for problem in inventory.problems)),
        approvals=tuple(approvals),
        text=text,
    )


def _run(server: ServerSpec, timeout: float) -> Inventory:
    variable = unfilled(server)
    if variable:
        message = f"server {brief(server.name)} needs {brief(variable)}, which only its client can fill"
        problem = Problem(ProblemKind.SERVER_NOT_RUN, message, server.place, server.name)
        return Inventory(server.place.source, (), (problem,))
    if server.command:
        listing = ask_command(server.command, env=server.env, cwd=server.cwd, timeout=timeout)
    else:
        listing = ask_url(server.url, headers=server.headers, timeout=timeout)
    return _inventory(listing, server.place, server.name)


def _inventory(listing: Listing, place: Place, name: str) -> Inventory:
    server = name or listing.name or place.source
    inventory = read_listing(list(listing.tools), place, server)
    problems = list(inventory.problems)
    if listing.fault:
        message = f"server {brief(server)}: {listing.fault}"
        problems.append(Problem(ProblemKind.SERVER_FAILED, message, place, server))
    elif not listing.tools:
        message = f"server {brief(server)} lists no tool"
        problems.append(Problem(ProblemKind.NO_TOOLS, message, place, server))
    return Inventory(place.source, inventory.tools, tuple(problems))
