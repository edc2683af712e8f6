from __future__ import annotations

import json

from fairmem.drift.scan import RULES, Inventory, load_text, scan, to_json
from tests.unit.drift.scan.cases import BOOLEAN, NUMBER, scanned, tool


def test_the_report_has_the_fields_its_module_documents() -> None:
    report = json.loads(to_json(scanned(tool("push_files", {"force": BOOLEAN, "limit": NUMBER, "x": 5}))))
    assert (report["format"], report["version"], report["complete"]) == ("fairmem-drift-scan", 1, False)
    assert report["counts"] == {
        "servers": 1,
        "tools": 1,
        "parameters": 2,
        "findings": {"high": 1, "medium": 0, "low": 1},
        "tools_with_findings": {"high": 1, "medium": 1, "low": 1},
        "listed": 1,
        "known": 0,
        "gone": 0,
        "problems": 1,
    }
    (finding,) = report["findings"]
    assert finding | {"fingerprint": "", "message": ""} == {
        "fingerprint": "",
        "rule": "MDS001",
        "severity": "high",
        "server": "s",
        "tool": "push_files",
        "parameter": "force",
        "pointer": "/properties/force",
        "kind": "boolean",
        "values": [],
        "effect": "writes",
        "slack": ["optional", "no default", "no description", "no guidance"],
        "dimensions": ["risk", "speed", "autonomy"],
        "message": "",
        "location": {"source": "tools.json", "pointer": "/tools/0/inputSchema/properties/force", "line": None},
    }
    (problem,) = report["problems"]
    assert (problem["kind"], problem["tool"], problem["unread"]) == ("bad_schema", "push_files", True)
    assert list(report["rules"]) == list(RULES)


def test_an_empty_scan_says_so() -> None:
    report = json.loads(to_json(scan(Inventory("f", (), ()))))
    assert report["complete"] is False
    assert [problem["kind"] for problem in report["problems"]] == ["no_tools"]


def test_what_has_no_encoding_is_escaped() -> None:
    text = '{"name": "push_\\ud800", "inputSchema": {"properties": {"force": {"type": "boolean"}}}}'
    assert "\\ud800" in to_json(scan(load_text(text, "f"))).encode("ascii").decode()


def test_the_line_of_jsonl_is_that_of_the_row() -> None:
    row = '{"name": "push_files", "inputSchema": {"properties": {"force": {"type": "boolean"}}}}'
    report = json.loads(to_json(scan(load_text(f"\n{row}\n{row}", "f"))))
    assert [finding["location"]["line"] for finding in report["findings"]] == [2, 3]
