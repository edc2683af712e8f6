"""The part of the SARIF 2.1.0 schema that the scan writes, as a table, and a check against it.

The official schema is not among the installed packages, so its rules for the objects used here are written down:
which properties an object may and must have, and of which type each is. Objects are closed there
("additionalProperties": false), which is what code hosts reject files for.
"""

from __future__ import annotations

import re
from typing import Any, cast

TEXT, WHOLE, FLAG, BAG = "text", "whole", "flag", "bag"
_URI = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[A-Za-z0-9/._~:?#\[\]@!$&'()*+,;=%-]*", re.IGNORECASE)
LEVELS = ("none", "note", "warning", "error")

OBJECTS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "log": (("version", "runs"), {"$schema": "uri", "version": ("2.1.0",), "runs": ["run"], "properties": BAG}),
    "run": (
        ("tool",),
        {
            "tool": "tool",
            "results": ["result"],
            "invocations": ["invocation"],
            "automationDetails": "automationDetails",
            "columnKind": ("utf16CodeUnits", "unicodeCodePoints"),
            "properties": BAG,
        },
    ),
    "tool": (("driver",), {"driver": "component", "properties": BAG}),
    "component": (
        ("name",),
        {"name": TEXT, "semanticVersion": TEXT, "rules": ["descriptor"], "notifications": ["descriptor"]},
    ),
    "descriptor": (
        ("id",),
        {
            "id": TEXT,
            "name": TEXT,
            "shortDescription": "multiformat",
            "fullDescription": "multiformat",
            "help": "multiformat",
            "defaultConfiguration": "configuration",
            "properties": BAG,
        },
    ),
    "multiformat": (("text",), {"text": TEXT, "markdown": TEXT}),
    "configuration": ((), {"level": LEVELS}),
    "automationDetails": ((), {"id": TEXT}),
    "invocation": (
        ("executionSuccessful",),
        {"executionSuccessful": FLAG, "toolExecutionNotifications": ["notification"]},
    ),
    "notification": (
        ("message",),
        {"message": "message", "level": LEVELS, "descriptor": "reference", "locations": ["location"]},
    ),
    "reference": ((), {"id": TEXT, "index": WHOLE}),
    "message": (("text",), {"text": TEXT, "markdown": TEXT, "id": TEXT}),
    "result": (
        ("message",),
        {
            "ruleId": TEXT,
            "ruleIndex": WHOLE,
            "level": LEVELS,
            "message": "message",
            "locations": ["location"],
            "partialFingerprints": "fingerprints",
            "properties": BAG,
        },
    ),
    "location": ((), {"physicalLocation": "physicalLocation", "logicalLocations": ["logicalLocation"]}),
    "physicalLocation": (("artifactLocation",), {"artifactLocation": "artifactLocation", "region": "region"}),
    "artifactLocation": ((), {"uri": "uri"}),
    "region": ((), {"startLine": "line"}),
    "logicalLocation": ((), {"fullyQualifiedName": TEXT, "name": TEXT, "kind": TEXT}),
}


def check(value: object, kind: Any = "log", where: str = "$") -> list[str]:
    """What in `value` breaks the table, with its place; an empty list if nothing does."""
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{where}: no list"]
        items = cast(list[object], value)
        return [wrong for i, one in enumerate(items) for wrong in check(one, kind[0], f"{where}[{i}]")]
    if isinstance(kind, tuple):
        return [] if value in kind else [f"{where}: {value!r} is none of {kind}"]
    if kind not in OBJECTS:
        return [] if _is_plain(value, kind) else [f"{where}: {value!r} is no {kind}"]
    if not isinstance(value, dict):
        return [f"{where}: no object"]
    fields = cast(dict[str, Any], value)
    required, allowed = OBJECTS[kind]
    wrong = [f"{where}: lacks {name}" for name in required if name not in fields]
    wrong += [f"{where}: has {name}, which {kind} does not know" for name in fields if name not in allowed]
    for name, inner in fields.items():
        wrong += check(inner, allowed[name], f"{where}.{name}") if name in allowed else []
    return wrong


def _is_plain(value: object, kind: str) -> bool:
    if kind == FLAG:
        return isinstance(value, bool)
    if kind in (WHOLE, "line"):
        return isinstance(value, int) and not isinstance(value, bool) and value >= (1 if kind == "line" else 0)
    if kind == "uri":
        return isinstance(value, str) and bool(value) and _URI.fullmatch(value) is not None
    if kind == "fingerprints":
        return isinstance(value, dict) and all(isinstance(one, str) for one in cast(dict[str, object], value).values())
    return isinstance(value, dict) if kind == BAG else isinstance(value, str)
