from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from fairmem.drift.scan import Inventory, Problem, ProblemKind, ScanReport, Severity, guarded_parameters, scan
from fairmem.drift.scan.findings import fingerprint_of
from fairmem.drift.scan.tool import Place
from tests.unit.drift.scan.cases import BOOLEAN, NUMBER, inventory, scanned, tool

PUSH = tool("push_files", {"force": BOOLEAN, "limit": NUMBER})
HARMLESS = tool("get_user", {"id": {"type": "string"}})


def problem(unread: bool) -> Problem:
    return Problem(ProblemKind.BAD_SCHEMA, "m", Place("f"), unread=unread)


def report_of(*tools: object, problems: tuple[Problem, ...] = ()) -> ScanReport:
    return scan(Inventory("f", tools, problems))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (report_of(HARMLESS), 0),
        (report_of(PUSH), 1),
        (report_of(), 3),  # nothing was judged
        (report_of(HARMLESS, problems=(problem(True),)), 3),
        (report_of(HARMLESS, problems=(problem(False),)), 0),
        (report_of(PUSH, problems=(problem(True),)), 1),
        (report_of(tool("x", {}, schema=None)), 3),
    ],
)
def test_the_exit_code_says_findings_then_incomplete_then_clean(report: ScanReport, code: int) -> None:
    assert report.exit_code(Severity.MEDIUM) == code


def test_a_report_without_a_tool_is_never_complete_whatever_its_problems() -> None:
    assert not replace(scanned(HARMLESS), tools=0).complete


def test_fail_on_is_apart_from_what_is_listed() -> None:
    limits = scanned(tool("get_rows", {"limit": NUMBER}))
    assert limits.listed == ()
    assert (limits.exit_code(Severity.MEDIUM), limits.exit_code(Severity.LOW)) == (0, 1)


def test_counts_hold_every_severity_and_tools_count_once() -> None:
    report = scanned(PUSH, HARMLESS)
    assert (report.tools, report.parameters, report.servers) == (2, 3, 1)
    assert dict(report.counts) == {"high": 1, "medium": 0, "low": 1}
    assert dict(report.tool_counts) == {"high": 1, "medium": 1, "low": 1}


def test_a_fingerprint_is_the_hash_of_server_tool_pointer_and_rule() -> None:
    (finding,) = scanned(PUSH).listed
    text = "1:s10:push_files17:/properties/force6:MDS001"
    assert finding.fingerprint == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert fingerprint_of("ab", "c", "", "r") != fingerprint_of("a", "bc", "", "r")


def test_a_fingerprint_stays_when_something_else_changes() -> None:
    edited = tool("push_files", {"new": NUMBER, "force": {**BOOLEAN, "description": "x"}}, index=7)
    assert scanned(edited).listed[0].fingerprint == scanned(PUSH).listed[0].fingerprint


def test_a_tool_listed_twice_has_two_findings_with_two_fingerprints() -> None:
    first, second = scanned(PUSH, PUSH).listed
    assert second.fingerprint == f"{first.fingerprint}-2"


def test_the_place_of_a_finding_is_that_of_its_parameter() -> None:
    assert scanned(PUSH).listed[0].place.pointer == "/tools/0/inputSchema/properties/force"


def test_findings_come_most_severe_first_and_otherwise_in_order() -> None:
    report = scanned(tool("a", {"limit": NUMBER}), PUSH, threshold=Severity.LOW)
    assert [(f.tool, f.severity) for f in report.findings] == [
        ("push_files", Severity.HIGH),
        ("a", Severity.LOW),
        ("push_files", Severity.LOW),
    ]


def test_known_findings_are_neither_listed_nor_counted_and_gone_ones_are_named() -> None:
    known = scanned(PUSH).listed[0].fingerprint
    report = scan(inventory(PUSH), baseline={known, "0" * 32})
    assert report.listed == ()
    assert [f.fingerprint for f in report.known] == [known]
    assert report.gone == ("0" * 32,)
    assert report.exit_code(Severity.MEDIUM) == 0


def test_the_listed_parameters_of_each_tool_are_what_a_gate_guards() -> None:
    many = tool("send", {"public": BOOLEAN, "force": BOOLEAN, "limit": NUMBER})
    assert guarded_parameters(scanned(PUSH, many, HARMLESS)) == {
        "push_files": ("force",),
        "send": ("public", "force"),
    }
