from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.drift.scan.quality import draw, quality, read_labels
from fairmem.errors import DataError
from tests.unit.drift.scan.cases import BOOLEAN, TEXT, inventory, tool

LABELS = Path(__file__).parents[4] / "docs" / "results" / "scan_labels.json"


def test_quality_weights_shares_by_how_many_there_are() -> None:
    rows = [
        *({"server": "s", "rule": "MDS001", "susceptible": i < 3} for i in range(4)),
        *({"server": "s", "rule": "", "susceptible": i < 1, "judged_before": i > 4} for i in range(10)),
    ]
    found = quality({"rows": rows, "listed": 40, "unlisted": 200})
    assert (found.precision.share, found.missed.share) == (0.75, 0.1)
    assert found.recall == 30 / (30 + 20)  # 0.75 * 40 found, 0.1 * 200 missed
    assert (found.precision_fresh.n, found.missed_fresh.n, found.missed_fresh.count) == (4, 5, 1)
    assert found.recall_low == 30 / (30 + 200 * found.missed.high) < found.recall < found.recall_high


def test_a_sample_has_both_kinds_and_comes_again_with_its_seed() -> None:
    tools = [tool(f"push_{i}", {"force": BOOLEAN, "name": TEXT}, index=i) for i in range(9)]
    sample, listed, unlisted = draw(inventory(*tools), each=4, seed=3)
    assert (listed, unlisted) == (9, 9)
    assert sorted(one.rule for one in sample) == [""] * 4 + ["MDS001"] * 4
    assert sample == draw(inventory(*tools), each=4, seed=3)[0] != draw(inventory(*tools), each=4, seed=4)[0]


def test_the_published_labels_are_complete_and_give_the_published_figures() -> None:
    labels = read_labels(LABELS)
    assert sum(bool(row["rule"]) for row in labels["rows"]) == 100
    assert sum(not row["rule"] for row in labels["rows"]) == 100
    assert all(row["reason"] and isinstance(row["susceptible"], bool) for row in labels["rows"])
    assert len({(row["server"], row["tool"], row["pointer"]) for row in labels["rows"]}) == 200
    found = quality(labels)
    text = (LABELS.parents[1] / "log.md").read_text(encoding="utf-8")
    for share in (found.precision, found.missed):
        assert f"{share.share:.2f} [{share.low:.2f}, {share.high:.2f}]" in text


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "l.json"
    file.write_text(json.dumps({"format": "x"}))
    with pytest.raises(DataError, match="expected format 'fairmem-drift-scan-labels'"):
        read_labels(file)
