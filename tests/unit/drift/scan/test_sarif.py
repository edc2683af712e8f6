from __future__ import annotations

import json
from typing import Any

import pytest

from fairmem.drift.scan import RULES, Inventory, ProblemKind, ScanReport, Severity, load_text, scan, to_sarif
from fairmem.drift.scan.sarif import artifact_uri
from fairmem.drift.scan.tool import PROBLEM_TEXTS
from tests.unit.drift.scan.cases import BOOLEAN, NUMBER, scanned, tool
from tests.unit.drift.scan.sarif_subset import check

EMPTY = scan(Inventory("none.json", (), ()))
CLEAN = scanned(tool("get_user", {"id": {"type": "string"}}))
FOUND = scanned(tool("push_files", {"force": BOOLEAN, "max_retries": NUMBER, "limit": NUMBER}), threshold=Severity.LOW)
BROKEN = scanned(tool("push_files", {"force": BOOLEAN, "x": 5, "y": {"$ref": "#/no"}}))


def run_of(report: ScanReport) -> dict[str, Any]:
    log = json.loads(to_sarif(report))
    assert check(log) == []
    (run,) = log["runs"]
    return run


@pytest.mark.parametrize("report", [EMPTY, CLEAN, FOUND, BROKEN])
def test_every_log_has_only_what_the_standard_knows_and_lists_every_rule(report: ScanReport) -> None:
    run = run_of(report)
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    assert run["automationDetails"]["id"].endswith("/") and run["automationDetails"]["id"].count("/") == 1


def test_levels_follow_severity_and_the_index_leads_to_the_rule() -> None:
    run = run_of(FOUND)
    assert [(r["ruleId"], r["level"]) for r in run["results"]] == [
        ("MDS001", "error"),
        ("MDS006", "warning"),
        ("MDS008", "note"),
    ]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert len({result["partialFingerprints"]["fairmemScan/v1"] for result in run["results"]}) == 3


@pytest.mark.parametrize(("report", "successful"), [(EMPTY, False), (CLEAN, True), (FOUND, True), (BROKEN, False)])
def test_an_incomplete_scan_is_no_successful_execution(report: ScanReport, successful: bool) -> None:
    (invocation,) = run_of(report)["invocations"]
    assert invocation["executionSuccessful"] is successful
    told = invocation.get("toolExecutionNotifications", [])
    assert len(told) == len(report.problems)


def test_every_kind_of_problem_has_a_notification() -> None:
    listed = run_of(CLEAN)["tool"]["driver"]["notifications"]
    assert len(listed) == len(ProblemKind) == len(PROBLEM_TEXTS) == len({one["id"] for one in listed})
    assert not {one["id"] for one in listed} & set(RULES)


def test_a_result_points_at_the_line_of_the_parameter() -> None:
    text = (
        '{"tools": [\n {"name": "push_files",\n  "inputSchema": {"properties": {\n   "force": {"type": "boolean"}}}}]}'
    )
    (result,) = run_of(scan(load_text(text, "my tools.json")))["results"]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20tools.json"},
        "region": {"startLine": 4},
    }
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "push_files/force"


def test_equal_scans_give_equal_bytes() -> None:
    assert to_sarif(FOUND) == to_sarif(
        scanned(tool("push_files", {"force": BOOLEAN, "max_retries": NUMBER, "limit": NUMBER}), threshold=Severity.LOW)
    )


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("a/b.json", "a/b.json"),
        ("/data/a b.json", "file:///data/a%20b.json"),
        ("https://x.test:80/mcp", "https://x.test:80/mcp"),
        ("caf\u00e9\ud800.json", "caf%C3%A9%3F.json"),
        ("", "input"),
    ],
)
def test_a_source_becomes_a_valid_uri(source: str, uri: str) -> None:
    assert artifact_uri(source) == uri


def test_the_check_finds_what_the_standard_forbids() -> None:
    log = json.loads(to_sarif(FOUND))
    log["extra"] = 1
    log["runs"][0]["results"][0]["level"] = "high"
    log["runs"][0]["results"][1]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    del log["runs"][0]["results"][2]["message"]
    assert check(log) == [
        "$: has extra, which log does not know",
        "$.runs[0].results[0].level: 'high' is none of ('none', 'note', 'warning', 'error')",
        "$.runs[0].results[1].locations[0].physicalLocation.region.startLine: 0 is no line",
        "$.runs[0].results[2]: lacks message",
    ]
