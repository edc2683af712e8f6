from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.drift.files import cell_counts, digest, load_scenarios, read_scenarios
from fairmem.errors import DataError
from tests.unit.drift.builders import raw, small


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def test_the_shipped_scenarios_are_105_in_35_cells_of_three_with_a_third_held_out() -> None:
    scenarios = load_scenarios()
    assert len(scenarios) == 105
    assert set(cell_counts(scenarios).values()) == {3}
    held = Counter((s.dimension, s.domain) for s in scenarios if s.stratum == "heldout")
    assert set(held.values()) == {1} and len(held) == 35
    assert all(len(s.memories.biased) == 8 for s in scenarios)


def test_no_shipped_task_is_told_twice() -> None:
    scenarios = load_scenarios()
    for field in ("task", "system", "rationale"):
        assert len({getattr(s, field) for s in scenarios}) == 105, field
    assert len({s.tool.name for s in scenarios}) > 90


def test_a_line_that_breaks_a_rule_is_named_with_its_number(tmp_path: Path) -> None:
    file = write(tmp_path / "s.jsonl", raw(), "", "{", raw(), raw(id="risk-test-002", targets__0__pointer="/x"))
    scenarios, broken = read_scenarios(file)
    assert len(scenarios) == 3
    assert [(found.line, found.scenario) for found in broken] == [
        (3, ""),
        (4, "risk-test-001"),
        (5, "risk-test-002"),
    ]
    assert str(broken[1]) == f"{file}:4: risk-test-001: the id is also at {file}:1"
    with pytest.raises(DataError, match=r"s\.jsonl:3: .*\(3 in all"):
        load_scenarios(file)


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none.jsonl", write(tmp_path / "empty.jsonl")):
        with pytest.raises(DataError, match=str(place)):
            load_scenarios(place)


def test_the_digest_is_of_the_content_not_of_the_order() -> None:
    one, two = small(), small(id="risk-test-002")
    assert digest([one, two]) == digest([two, one]) != digest([one])


def test_validate_says_0_for_fair_1_for_broken_2_for_unreadable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift", "validate"]) == 0
    shown = capsys.readouterr().out
    assert "105 scenarios, 35 held out" in shown and shown.endswith("every rule is kept\n")

    file = write(tmp_path / "s.jsonl", raw(task=" "))
    assert main(["drift", "validate", str(file)]) == 1
    assert f"{file}:1: risk-test-001: task is empty" in capsys.readouterr().out

    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe\x00")
    assert main(["drift", "validate", str(tmp_path / "b.jsonl")]) == 2
    assert "cannot be read as UTF-8" in capsys.readouterr().err
