"""The report as SARIF 2.1.0, for code scanning (OASIS standard, March 2020).

Every rule is listed, also after a clean scan. What could not be read is a notification, and the invocation is then
marked unsuccessful, so an incomplete scan does not look clean. Only properties of the standard are written.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from fairmem import __version__
from fairmem.drift.scan.findings import Finding, ScanReport
from fairmem.drift.scan.rules import RULES, Rule, Severity
from fairmem.drift.scan.scan_json import place_lines
from fairmem.drift.scan.tool import PROBLEM_TEXTS, Place, Problem, ProblemKind, printable

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_PROBLEM_IDS = {kind: f"MDS9{number:02}" for number, kind in enumerate(ProblemKind, 1)}


def to_sarif(report: ScanReport) -> str:
    """The SARIF log, ending in a newline."""
    lines = place_lines(report)
    indexes = {identifier: index for index, identifier in enumerate(RULES)}
    invocation: dict[str, Any] = {"executionSuccessful": report.complete}
    if report.problems:
        invocation["toolExecutionNotifications"] = [_notification(problem, lines) for problem in report.problems]
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "fairmem drift scan",
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in RULES.values()],
                "notifications": [
                    {"id": _PROBLEM_IDS[kind], "shortDescription": {"text": f"{text[0].upper()}{text[1:]}."}}
                    for kind, text in PROBLEM_TEXTS.items()
                ],
            }
        },
        "automationDetails": {"id": "fairmem-drift-scan/"},
        "invocations": [invocation],
        "columnKind": "utf16CodeUnits",
        "results": [_result(finding, indexes, lines) for finding in report.listed],
    }
    log = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    traits = ", ".join(rule.dimensions)
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": f"A parameter {rule.title}."},
        "fullDescription": {"text": f"{rule.meaning} Traits that could move it: {traits}."},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": ("note", "warning", "error")[rule.consequence - 1]},
        "properties": {"tags": ["memory-drift", *rule.dimensions]},
    }


def _result(finding: Finding, indexes: dict[str, int], lines: dict[Place, int]) -> dict[str, Any]:
    where = "/".join(part for part in (finding.server, finding.tool, finding.parameter) if part)
    location = _location(finding.place, lines)
    location["logicalLocations"] = [{"fullyQualifiedName": where, "kind": "parameter"}]
    return {
        "ruleId": finding.rule,
        "ruleIndex": indexes[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{printable(finding.tool or finding.server)}: {finding.message}"},
        "locations": [location],
        "partialFingerprints": {"fairmemScan/v1": finding.fingerprint},
        "properties": {
            "severity": finding.severity.label,
            "effect": finding.effect,
            "slack": list(finding.slack),
            "dimensions": list(finding.dimensions),
        },
    }


def _notification(problem: Problem, lines: dict[Place, int]) -> dict[str, Any]:
    who = "/".join(part for part in (problem.server, problem.tool) if part)
    return {
        "descriptor": {"id": _PROBLEM_IDS[problem.kind]},
        "level": "error" if problem.unread else "warning",
        "message": {"text": f"{who}: {problem.message}" if who else problem.message},
        "locations": [_location(problem.place, lines)],
    }


def _location(place: Place, lines: dict[Place, int]) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": artifact_uri(place.source)},
            "region": {"startLine": max(1, lines.get(place, 1))},
        }
    }


def artifact_uri(source: str) -> str:
    """`source` (a file name or an address) as a valid URI: relative paths stay relative."""
    if source.startswith(("http://", "https://")):
        return quote(source.encode("utf-8", "replace"), safe="/:?&=#%@+,;~.-_[]")
    path = PurePosixPath(source)
    quoted = quote(source.encode("utf-8", "replace"), safe="/~.-_@+,")
    return f"file://{quoted}" if path.is_absolute() else quoted or "input"
