"""The scan of real tools: fast enough, nothing lost, and the figures of the guide. Skips where the data is absent."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from fairmem.drift.scan import Severity, load_path, scan, to_json, to_page, to_sarif, to_table
from fairmem.drift.scan.quality import read_labels
from tests.unit.drift.scan.sarif_subset import check

ROOT = Path(__file__).parents[2]
TOOLS = ROOT.parent / "shared" / "data" / "mcp_tools" / "mcp_tools_permissive.jsonl"


@pytest.fixture(scope="module")
def tools() -> Path:
    if not TOOLS.is_file():
        pytest.skip(f"shared data folder absent: {TOOLS.name}")
    return TOOLS


def test_3_000_tools_take_less_than_three_seconds_of_one_core(tools: Path) -> None:
    begun = time.process_time()
    to_table(scan(load_path(tools)))
    assert time.process_time() - begun < 3.0


def test_every_row_is_scanned_or_said_to_be_unread_and_the_reports_are_whole(tools: Path) -> None:
    rows = tools.read_text(encoding="utf-8").splitlines()
    report = scan(load_path(tools))
    assert report.tools == len(rows) == 2_995
    # Schemas that break JSON Schema, found by reading the file with other eyes: a leaked validator object, two values
    # given twice, two defaults of another type, one switch of draft 4.
    assert sorted(p.tool for p in report.problems if p.kind == "bad_schema") == [
        "delete_resource",
        "get_all_entities",
        "get_entity_types",
        "get_resource",
        "read_pdf",
        "wait",
    ]
    assert [p.tool for p in report.problems if p.unread] == ["wait"]
    assert report.exit_code(Severity.MEDIUM) == 1
    assert check(json.loads(to_sarif(report))) == []
    assert json.loads(to_json(report))["counts"]["listed"] == len(report.listed)
    assert to_page(report).encode() and len({finding.fingerprint for finding in report.findings}) == len(
        report.findings
    )


def test_the_guide_has_the_counts_of_the_scan(tools: Path) -> None:
    report = scan(load_path(tools))
    guide = (ROOT / "docs" / "guide" / "scan.md").read_text(encoding="utf-8")
    for name, count in report.counts.items():
        within = report.tool_counts[name]
        assert f"| {name} | {count} | {within} ({100 * within / report.tools:.1f} %) |" in guide


def test_the_judged_sample_is_of_the_present_rules(tools: Path) -> None:
    report = scan(load_path(tools))
    labels = read_labels(ROOT / "docs" / "results" / "scan_labels.json")
    assert (labels["listed"], labels["unlisted"]) == (len(report.listed), report.parameters - len(report.listed))
    now = {(f.server, f.tool, f.pointer): f.rule for f in report.listed}
    assert all(now.get((row["server"], row["tool"], row["pointer"]), "") == row["rule"] for row in labels["rows"])
