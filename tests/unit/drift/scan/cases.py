"""Tools made by hand for the tests of this folder."""

from __future__ import annotations

from typing import Any

from fairmem.drift.scan import Finding, Inventory, ScanReport, Severity, Tool, scan
from fairmem.drift.scan.tool import Hints, Place


def tool(
    name: str, properties: dict[str, Any], *, required: tuple[str, ...] = (), server: str = "s", **fields: Any
) -> Tool:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    hints = Hints(fields.get("read_only"), fields.get("destructive"))
    place = Place("tools.json", f"/tools/{fields.get('index', 0)}/inputSchema")
    return Tool(server, name, fields.get("description", ""), fields.get("schema", schema), hints, place)


def inventory(*tools: Tool) -> Inventory:
    return Inventory("tools.json", tools, ())


def scanned(*tools: Tool, threshold: Severity = Severity.MEDIUM) -> ScanReport:
    return scan(inventory(*tools), threshold=threshold)


def finding_of(one: Tool) -> Finding | None:
    """The only finding about `one`, None if there is none."""
    found = scanned(one, threshold=Severity.LOW).findings
    assert len(found) <= 1, found
    return found[0] if found else None


BOOLEAN: dict[str, Any] = {"type": "boolean"}
NUMBER: dict[str, Any] = {"type": "number"}
TEXT: dict[str, Any] = {"type": "string"}


def choice(*values: Any) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}
