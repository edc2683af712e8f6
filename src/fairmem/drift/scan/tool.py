"""What is scanned: tools with their schemas, where each was read, and what could not be read.

A `Problem` is as much a part of a scan as a finding: a part that was not read was not judged, and a report that
left it out would look cleaner than it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

JsonObject: TypeAlias = dict[str, object]
"""A JSON object as `json` reads it."""


class ProblemKind(StrEnum):
    """Why something was not read, or not as it is meant. The docstrings of members are shown in reports."""

    NO_TOOLS = "no_tools"
    UNREADABLE_LINE = "unreadable_line"
    NOT_A_TOOL = "not_a_tool"
    NO_SCHEMA = "no_schema"
    BAD_SCHEMA = "bad_schema"
    UNRESOLVED_REF = "unresolved_ref"
    TOO_LARGE = "too_large"
    DUPLICATE_TOOL = "duplicate_tool"
    BAD_CONFIG = "bad_config"
    SERVER_NOT_RUN = "server_not_run"
    SERVER_FAILED = "server_failed"


PROBLEM_TEXTS: dict[ProblemKind, str] = {
    ProblemKind.NO_TOOLS: "no tool was found, so nothing was judged",
    ProblemKind.UNREADABLE_LINE: "a line is not JSON",
    ProblemKind.NOT_A_TOOL: "an entry is not a tool: it is no object, or has no name",
    ProblemKind.NO_SCHEMA: "a tool has no input schema, so its parameters are unknown",
    ProblemKind.BAD_SCHEMA: "a schema breaks JSON Schema at one place; clients may read it differently",
    ProblemKind.UNRESOLVED_REF: "a $ref leads nowhere in this schema, or out of it",
    ProblemKind.TOO_LARGE: "a schema is deeper or larger than the scan follows",
    ProblemKind.DUPLICATE_TOOL: "a server lists one name twice; which schema a client takes is open",
    ProblemKind.BAD_CONFIG: "an entry of a client configuration cannot be understood",
    ProblemKind.SERVER_NOT_RUN: "a configured server was not asked for its tools",
    ProblemKind.SERVER_FAILED: "a server did not list its tools, or not all of them",
}
"""What each kind means, for reports."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was read.

    Attributes:
        source: File name or address, as a report shows it.
        pointer: JSON pointer in that document ("" is the whole).
        line: Line of the file, from 1, if known when reading (JSONL); 0 if it has to be looked up.
    """

    source: str
    pointer: str = ""
    line: int = 0

    def below(self, *steps: str | int) -> Place:
        """The place of a part of this one."""
        return Place(self.source, self.pointer + pointer(*steps), self.line)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read as it should be.

    Attributes:
        kind: What is wrong.
        message: One line: what was found, what was expected.
        place: Where.
        server: Name of the server, "" if none is known.
        tool: Name of the tool, likewise.
        unread: Part of the input was not judged because of it; the scan is then incomplete.
    """

    kind: ProblemKind
    message: str
    place: Place
    server: str = ""
    tool: str = ""
    unread: bool = True


@dataclass(frozen=True, slots=True)
class Hints:
    """What a tool's annotations say of its effects; None where they say nothing."""

    read_only: bool | None = None
    destructive: bool | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its server lists it.

    Attributes:
        server: Name of the server; "" if the input does not tell.
        name: Name of the tool.
        description: Its description; untrusted text.
        schema: Its input schema, whatever that is.
        hints: Its annotations.
        place: Where the schema was read.
    """

    server: str
    name: str
    description: str
    schema: object
    hints: Hints
    place: Place


@dataclass(frozen=True, slots=True)
class AutoApproval:
    """A client configuration lets calls of these tools run without a person seeing them.

    Attributes:
        server: Name of the server.
        tools: Tools named there; empty: all of the server.
        place: Where it says so.
    """

    server: str
    tools: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything one input held.

    Attributes:
        source: File name or address.
        tools: Tools in order.
        problems: What could not be read.
        approvals: Automatic approvals of a client configuration.
        text: The document, for looking up lines; "" where there is none.
    """

    source: str
    tools: tuple[Tool, ...]
    problems: tuple[Problem, ...]
    approvals: tuple[AutoApproval, ...] = ()
    text: str = ""


def pointer(*steps: str | int) -> str:
    """JSON pointer (RFC 6901) of the path `steps`."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def brief(value: object, limit: int = 60) -> str:
    """`value` for a message: one printable line of at most about `limit` characters."""
    if isinstance(value, str):
        line = printable(value[: limit + 1])
        return f"'{line[:limit]}...'" if len(line) > limit else f"'{line}'"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        # str() of an integer of thousands of digits raises.
        return "a huge number" if abs(value) > 1e18 else str(value)
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else type(value).__name__


def printable(text: str) -> str:
    """`text` on one line, without characters that could steer a terminal or break an encoding."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
