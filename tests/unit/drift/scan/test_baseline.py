from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.drift.scan import baseline_text, read_baseline, scan
from fairmem.errors import DataError
from tests.unit.drift.scan.cases import BOOLEAN, inventory, scanned, tool

PUSH = tool("push_files", {"force": BOOLEAN, "overwrite": BOOLEAN})


def test_a_baseline_of_a_scan_makes_the_next_scan_clean_and_itself_again(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text(baseline_text(scanned(PUSH)))
    again = scan(inventory(PUSH), baseline=read_baseline(file))
    assert again.listed == () and len(again.known) == 2
    assert baseline_text(again) == file.read_text()


def test_a_baseline_says_what_each_fingerprint_is(tmp_path: Path) -> None:
    rows = json.loads(baseline_text(scanned(PUSH)))["findings"]
    assert [(row["rule"], row["tool"], row["parameter"]) for row in rows] == [
        ("MDS001", "push_files", "force"),
        ("MDS004", "push_files", "overwrite"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "fairmem-drift-baseline", "version": 2, "findings": []}',
        '{"format": "fairmem-drift-baseline", "version": 1}',
        '{"format": "fairmem-drift-baseline", "version": 1, "findings": [{"fingerprint": 5}]}',
        "[" * 200_000,
    ],
)
def test_a_file_that_is_no_baseline_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(DataError, match=str(file)):
        read_baseline(file)


def test_a_baseline_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_baseline(tmp_path / "none")
