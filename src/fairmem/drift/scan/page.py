"""The report for people: a table for a terminal and one self-contained HTML file."""

from __future__ import annotations

from collections import Counter

from fairmem.drift.scan.findings import Finding, ScanReport
from fairmem.drift.scan.rules import RULES, SEVERITIES
from fairmem.drift.scan.tool import PROBLEM_TEXTS, Problem, printable
from fairmem.eval.page import Page, Table, Tile, to_html, to_text

_MOST_PROBLEMS = 20
"""Problems that the table lists one by one; the rest is counted. HTML, JSON and SARIF have all."""
_CELL = 44


def to_table(report: ScanReport) -> str:
    """The report for a terminal."""
    tables = [_short_findings(report)] if report.listed else []
    if report.problems:
        tables.append(_problems(report.problems[:_MOST_PROBLEMS], len(report.problems)))
    page = Page(title=f"Memory drift scan of {report.source}", headline=tuple(headline(report)), tables=tuple(tables))
    return to_text(page)


def to_page(report: ScanReport) -> str:
    """The report as one HTML file, without scripts and without anything from outside."""
    tables = [_counts(report)]
    for name, severity in SEVERITIES.items():
        findings = [finding for finding in report.listed if finding.severity == severity]
        if findings:
            tables.append(_findings(f"{name.capitalize()}: {len(findings)}", findings))
    if report.problems:
        tables.append(_problems(report.problems, len(report.problems)))
    tables.append(_rules())
    lines = headline(report)
    tiles = tuple(
        Tile(name, str(count), f"in {report.tool_counts[name]} tools at this or above")
        for name, count in report.counts.items()
    )
    page = Page(
        title=f"Memory drift scan of {report.source}",
        headline=tuple(lines),
        tables=tuple(tables),
        tiles=(Tile("tools", str(report.tools), f"{report.servers} servers, {report.parameters} parameters"), *tiles),
    )
    return _encodable(to_html(page))


def headline(report: ScanReport) -> list[str]:
    """What to know first: what was read, what was found, and whether anything was left out."""
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    total = len(report.findings)
    hidden = total - len(report.listed)
    lines = [
        f"{total} candidate findings: {counts}; in {report.tools} tools of {report.servers} servers, "
        f"{report.parameters} parameters."
    ]
    if hidden:
        lines.append(f"{hidden} below '{report.threshold.label}' are counted, not listed (--threshold).")
    if report.known:
        lines.append(f"{len(report.known)} more are known to the baseline.")
    if report.gone:
        lines.append(f"{len(report.gone)} entries of the baseline match nothing any more.")
    unread = sum(problem.unread for problem in report.problems)
    if not report.complete:
        lines.insert(0, f"INCOMPLETE: {unread} parts of the input were not judged; this is no clean result.")
    elif report.problems:
        lines.append(f"{len(report.problems)} parts of the input are not as they should be; all were judged.")
    return lines


def _short_findings(report: ScanReport) -> Table:
    rows = tuple(
        (
            finding.severity.label,
            finding.rule,
            _clip(finding.server, 24),
            _clip(finding.tool or "(configuration)"),
            _clip(finding.parameter),
            RULES[finding.rule].title,
        )
        for finding in report.listed
    )
    return Table(
        title="Candidates: parameters that a private memory could move",
        columns=("severity", "rule", "server", "tool", "parameter", "what it decides"),
        rows=rows,
        note="A candidate is open to drift; `fairmem drift confirm` measures whether a model drifts.",
        prose=True,
    )


def _findings(title: str, findings: list[Finding]) -> Table:
    rows = tuple(
        (
            f"{finding.tool or '(configuration)'} {finding.parameter}",
            finding.server,
            f"{finding.rule} {RULES[finding.rule].title}",
            ", ".join(finding.values[:8]) or finding.kind,
            ", ".join(finding.slack) or "nothing",
        )
        for finding in findings
    )
    columns = ("tool and parameter", "server", "what it decides", "values", "left open by")
    return Table(title=title, columns=columns, rows=rows, prose=True)


def _counts(report: ScanReport) -> Table:
    found = Counter((finding.rule, finding.severity) for finding in report.findings)
    rows = tuple(
        (f"{rule.id} {rule.title}", *(str(found[rule.id, severity]) for severity in SEVERITIES.values()))
        for rule in RULES.values()
    )
    note = "Candidates, not measured drift: nothing static shows that a model moves a parameter."
    return Table(title="By rule", columns=("rule", *SEVERITIES), rows=rows, note=note)


def _problems(problems: tuple[Problem, ...], total: int) -> Table:
    rows = tuple(
        (
            _clip("/".join(part for part in (problem.server, problem.tool) if part) or problem.place.source),
            problem.message,
            "not judged" if problem.unread else "judged",
        )
        for problem in problems
    )
    more = f"And {total - len(rows)} more. " if total > len(rows) else ""
    kinds = dict.fromkeys(problem.kind for problem in problems)
    note = more + "; ".join(f"{kind.value}: {PROBLEM_TEXTS[kind]}" for kind in kinds)
    columns = ("where", "what is wrong", "and so")
    return Table(title=f"Not as it should be: {total}", columns=columns, rows=rows, note=note, prose=True)


def _rules() -> Table:
    rows = tuple((rule.id, rule.meaning, rule.remedy) for rule in RULES.values())
    return Table(
        title="What the rules mean", columns=("rule", "what can go wrong", "what to do"), rows=rows, prose=True
    )


def _clip(text: str, width: int = _CELL) -> str:
    """`text` cut to `width`; of a path the end says more."""
    line = printable(text)
    return line if len(line) <= width else f"...{line[3 - width :]}"


def _encodable(text: str) -> str:
    """`text` without lone surrogates, which have no UTF-8 form."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
