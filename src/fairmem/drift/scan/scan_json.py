"""The machine-readable report of a scan.

Format `fairmem-drift-scan`, version 1; fields may be added within a version, not removed or changed:

- `format`, `version`, `tool_version`, `source`;
- `complete`: nothing was left unread, and there was at least one tool;
- `threshold`: least severity under `findings`;
- `counts`: `{servers, tools, parameters, findings: {high, medium, low}, tools_with_findings: {high, medium, low},
  listed, known, gone, problems}`. `findings` counts new findings of every severity, also below the threshold;
  `tools_with_findings` counts tools with one of at least that severity;
- `findings`: `[{fingerprint, rule, severity, server, tool, parameter, pointer, kind, values, effect, slack, dimensions,
  message, location: {source, pointer, line}}]`, most severe first; `line` is null where it is not known;
- `problems`: `[{kind, message, server, tool, unread, location}]`;
- `gone`: fingerprints of the baseline that match nothing any more;
- `rules`: `{id: {name, title, consequence, dimensions}}`.

Equal input gives equal bytes.
"""

from __future__ import annotations

import json
from typing import Any

from fairmem import __version__
from fairmem.drift.scan.findings import Finding, ScanReport
from fairmem.drift.scan.lines import lines_of
from fairmem.drift.scan.rules import RULES
from fairmem.drift.scan.tool import Place

SCAN_FORMAT = "fairmem-drift-scan"
SCAN_VERSION = 1


def to_json(report: ScanReport) -> str:
    """The JSON report, ending in a newline."""
    lines = place_lines(report)
    value: dict[str, Any] = {
        "format": SCAN_FORMAT,
        "version": SCAN_VERSION,
        "tool_version": __version__,
        "source": report.source,
        "complete": report.complete,
        "threshold": report.threshold.label,
        "counts": {
            "servers": report.servers,
            "tools": report.tools,
            "parameters": report.parameters,
            "findings": dict(report.counts),
            "tools_with_findings": dict(report.tool_counts),
            "listed": len(report.listed),
            "known": len(report.known),
            "gone": len(report.gone),
            "problems": len(report.problems),
        },
        "findings": [_finding(finding, lines) for finding in report.listed],
        "problems": [
            {
                "kind": problem.kind.value,
                "message": problem.message,
                "server": problem.server,
                "tool": problem.tool,
                "unread": problem.unread,
                "location": _location(problem.place, lines),
            }
            for problem in report.problems
        ],
        "gone": list(report.gone),
        "rules": {
            rule.id: {
                "name": rule.name,
                "title": rule.title,
                "consequence": rule.consequence,
                "dimensions": list(rule.dimensions),
            }
            for rule in RULES.values()
        },
    }
    # Escaping keeps lone surrogates of scraped text out of the bytes.
    return json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def place_lines(report: ScanReport) -> dict[Place, int]:
    """The lines of the places that `report` lists, where they are known.

    What is not in the document itself (tools of a server that it only configures) has the line of the nearest place
    around it that is.
    """
    places = [*(finding.place for finding in report.listed), *(problem.place for problem in report.problems)]
    around = {place: _ancestors(place.pointer) for place in places if not place.line}
    known = lines_of(report.text, {one for several in around.values() for one in several}) if report.text else {}
    found = {place: place.line for place in places if place.line}
    for place, pointers in around.items():
        line = next((known[one] for one in pointers if one in known), 0)
        found |= {place: line} if line else {}
    return found


def _ancestors(pointer: str) -> list[str]:
    """`pointer` and those of everything around it, inmost first."""
    steps = pointer.split("/")
    return ["/".join(steps[:count]) for count in range(len(steps), 0, -1)]


def _finding(finding: Finding, lines: dict[Place, int]) -> dict[str, Any]:
    return {
        "fingerprint": finding.fingerprint,
        "rule": finding.rule,
        "severity": finding.severity.label,
        "server": finding.server,
        "tool": finding.tool,
        "parameter": finding.parameter,
        "pointer": finding.pointer,
        "kind": finding.kind,
        "values": list(finding.values),
        "effect": finding.effect,
        "slack": list(finding.slack),
        "dimensions": list(finding.dimensions),
        "message": finding.message,
        "location": _location(finding.place, lines),
    }


def _location(place: Place, lines: dict[Place, int]) -> dict[str, Any]:
    return {"source": place.source, "pointer": place.pointer, "line": lines.get(place)}
