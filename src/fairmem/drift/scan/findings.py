"""A finding, and the report of a scan: what was found, what was known already, what could not be read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fairmem.drift.scan.rules import SEVERITIES, Dimension, Severity
from fairmem.drift.scan.tool import Place, Problem

Effect = Literal["reads", "writes", "destroys", "unknown"]
"""What a tool does to the world, from its annotations, else from its name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A candidate: a parameter that private memory could move. Nothing static shows that it does.

    Attributes:
        rule: Id of the rule, see `fairmem.drift.scan.rules`.
        severity: How much a change could matter.
        server: Name of the server; "" if the input does not tell.
        tool: Name of the tool; "" for a finding about a configuration.
        parameter: Its path, as `filter.visibility`.
        pointer: JSON pointer of its schema in the input schema.
        kind: Kind of parameter.
        values: Its values if they are listed.
        effect: What the tool does.
        slack: What leaves the choice open: "optional", "no default", "no bounds", "no description", "no guidance".
        dimensions: Traits that could move it, the likeliest first.
        message: One sentence for a reader.
        place: Where it was read.
        fingerprint: Stable identity, see `fingerprint_of`.
    """

    rule: str
    severity: Severity
    server: str
    tool: str
    parameter: str
    pointer: str
    kind: str
    values: tuple[str, ...]
    effect: Effect
    slack: tuple[str, ...]
    dimensions: tuple[Dimension, ...]
    message: str
    place: Place
    fingerprint: str


def fingerprint_of(server: str, tool: str, pointer: str, rule: str) -> str:
    """Identity of a finding: 32 hex digits of the sha256 of server, tool, pointer and rule.

    Line numbers, descriptions and other parameters do not enter, so an edit elsewhere does not make a finding new.
    """
    parts = (server, tool, pointer, rule)
    # Lone surrogates occur in scraped schemas and have no UTF-8 form; lengths keep the parts apart.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", errors="replace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ScanReport:
    """The result of a scan.

    Attributes:
        source: What was scanned.
        servers: Distinct server names.
        tools: Tools read.
        parameters: Parameters read, nested ones included.
        findings: Findings of any severity that the baseline does not know, most severe first.
        known: Findings the baseline knows.
        gone: Fingerprints in the baseline that no finding has any more.
        problems: What could not be read as it should be.
        threshold: Least severity a report lists.
        text: The document, for looking up lines; "" where there is none.
    """

    source: str
    servers: int
    tools: int
    parameters: int
    findings: tuple[Finding, ...]
    known: tuple[Finding, ...]
    gone: tuple[str, ...]
    problems: tuple[Problem, ...]
    threshold: Severity
    text: str = ""

    @property
    def listed(self) -> tuple[Finding, ...]:
        """The findings at or above the threshold."""
        return tuple(finding for finding in self.findings if finding.severity >= self.threshold)

    @property
    def complete(self) -> bool:
        """At least one tool was read, and nothing was left unread."""
        return self.tools > 0 and not any(problem.unread for problem in self.problems)

    @property
    def counts(self) -> Mapping[str, int]:
        """Severity -> number of new findings, listed or not, highest first."""
        found = Counter(finding.severity for finding in self.findings)
        return {name: found[severity] for name, severity in SEVERITIES.items()}

    @property
    def tool_counts(self) -> Mapping[str, int]:
        """Severity -> number of tools (a name of a server) with a new finding of at least that severity."""
        return {
            name: len({(f.server, f.tool, f.place.line) for f in self.findings if f.tool and f.severity >= severity})
            for name, severity in SEVERITIES.items()
        }

    def exit_code(self, fail_on: Severity) -> int:
        """1 if there is a new finding of at least `fail_on`, else 3 if the scan is incomplete, else 0."""
        if any(finding.severity >= fail_on for finding in self.findings):
            return 1
        return 0 if self.complete else 3


def guarded_parameters(report: ScanReport) -> dict[str, tuple[str, ...]]:
    """Tool -> parameters that a need-to-know gate should keep memory away from: the findings that `report` lists."""
    guarded: dict[str, list[str]] = {}
    for finding in report.listed:
        if finding.tool:
            guarded.setdefault(finding.tool, []).append(finding.parameter)
    return {tool: tuple(dict.fromkeys(paths)) for tool, paths in guarded.items()}
