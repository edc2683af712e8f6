"""The static scan: every tool of an inventory, every parameter, at most one finding each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from fairmem.drift.scan.assess import assess, effect_of
from fairmem.drift.scan.findings import Finding, ScanReport, fingerprint_of
from fairmem.drift.scan.rules import RULES, Severity
from fairmem.drift.scan.schema import read_schema
from fairmem.drift.scan.tool import AutoApproval, Inventory, Place, Problem, ProblemKind, Tool


def scan(
    inventory: Inventory, *, threshold: Severity = Severity.MEDIUM, baseline: Collection[str] = frozenset()
) -> ScanReport:
    """Judge every parameter of every tool of `inventory`.

    Args:
        inventory: What was read.
        threshold: Least severity a report lists; findings below are counted.
        baseline: Fingerprints of findings that are known, see `fairmem.drift.scan.baseline`.

    Returns:
        The report. It never raises because of a schema; what could not be read is a problem of the report.
    """
    problems = list(inventory.problems)
    found: list[Finding] = [_unseen(approval) for approval in inventory.approvals]
    parameters = 0
    for tool in inventory.tools:
        some, findings, wrong = _scan_tool(tool)
        parameters += some
        found += findings
        problems += wrong
    if not inventory.tools:
        problems.append(Problem(ProblemKind.NO_TOOLS, "no tool was found in the input", Place(inventory.source)))
    findings = sorted(_distinct(found), key=lambda finding: -finding.severity)
    known = frozenset(baseline)
    return ScanReport(
        source=inventory.source,
        servers=len({tool.server for tool in inventory.tools}),
        tools=len(inventory.tools),
        parameters=parameters,
        findings=tuple(finding for finding in findings if finding.fingerprint not in known),
        known=tuple(finding for finding in findings if finding.fingerprint in known),
        gone=tuple(sorted(known - {finding.fingerprint for finding in findings})),
        problems=tuple(problems),
        threshold=threshold,
        text=inventory.text,
    )


def _scan_tool(tool: Tool) -> tuple[int, list[Finding], list[Problem]]:
    """(parameters read, findings, problems) of one tool."""
    reading = read_schema(tool.schema)
    effect = effect_of(tool)
    judged = (assess(tool, parameter, effect) for parameter in reading.parameters)
    findings = [
        replace(finding, place=replace(tool.place, pointer=tool.place.pointer + finding.pointer))
        for finding in judged
        if finding is not None
    ]
    problems = [
        Problem(
            kind=wrong.kind,
            message=wrong.message,
            place=replace(tool.place, pointer=tool.place.pointer + wrong.pointer),
            server=tool.server,
            tool=tool.name,
            unread=wrong.unread,
        )
        for wrong in reading.problems
    ]
    return len(reading.parameters), findings, problems


def _unseen(approval: AutoApproval) -> Finding:
    rule = RULES["MDS020"]
    which = "every tool" if not approval.tools else f"{len(approval.tools)} tools by name"
    return Finding(
        rule=rule.id,
        severity=Severity.MEDIUM if approval.tools else Severity.HIGH,
        server=approval.server,
        tool="",
        parameter="",
        pointer=approval.place.pointer,
        kind="other",
        values=approval.tools,
        effect="unknown",
        slack=(),
        dimensions=rule.dimensions,
        message=f"Candidate: the configuration {rule.title}: {which} of this server.",
        place=approval.place,
        fingerprint=fingerprint_of(approval.server, "", approval.place.pointer, rule.id),
    )


def _distinct(findings: list[Finding]) -> list[Finding]:
    """`findings` with different fingerprints: a tool listed twice gives its second occurrence a number."""
    seen: Counter[str] = Counter()
    distinct: list[Finding] = []
    for finding in findings:
        seen[finding.fingerprint] += 1
        count = seen[finding.fingerprint]
        again = finding if count == 1 else replace(finding, fingerprint=f"{finding.fingerprint}-{count}")
        distinct.append(again)
    return distinct
