from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.drift.scenario import Expectation
from fairmem.drift.through import Line, Recalled, RecallFile
from fairmem.errors import CheckpointError
from tests.unit.drift.builders import small

BASE = Recalled(
    scenario="risk-test-001",
    arm="biased-2",
    told=(("D1:2", "b1"), ("D1:4", "b2")),
    traces=True,
    query="Roll out the new build tonight.",
    stored=(
        Line(id="1", text="Robin jumps.", sources=("D1:2",)),
        Line(id="2", text="Robin skips checks and jumps.", sources=("D1:2", "D1:4")),
        Line(id="3", text="Robin says hello.", sources=("D1:1",)),
    ),
    found=("2", "3"),
)


def test_an_entry_has_the_sign_and_the_wishes_of_what_it_carries() -> None:
    first, second = BASE.memories(small())
    assert (first.id, first.text, first.polarity) == ("2", "Robin skips checks and jumps.", 1)
    assert (second.id, second.polarity, second.expects) == ("3", 0, {})
    mixed = BASE.model_copy(update={"arm": "relevant", "told": (("D1:2", "o1"), ("D1:4", "r1"))})
    (both, _) = mixed.memories(small())
    assert both.polarity == -1 and both.expects == {"/health_seconds": Expectation(min=540, max=660)}
    cancelled = BASE.model_copy(update={"told": (("D1:2", "b1"), ("D1:4", "o1"))})
    assert cancelled.memories(small())[0].polarity == 0


def test_lines_come_in_the_order_in_which_they_were_found() -> None:
    assert [line.id for line in BASE.model_copy(update={"found": ("3", "1")}).lines] == ["3", "1"]


def test_the_latest_record_of_a_place_counts_and_a_torn_line_is_cut(tmp_path: Path) -> None:
    file = RecallFile.open(tmp_path)
    file.add(BASE.model_copy(update={"failure": "down"}))
    file.add(BASE)
    with file.path.open("a") as out:
        out.write('{"scenario": "torn')
    again = RecallFile.open(tmp_path)
    assert again.records == {("risk-test-001", "biased-2"): BASE}
    assert file.path.read_text().count("\n") == 2 and file.path.read_text().endswith("\n")


def test_damage_is_named(tmp_path: Path) -> None:
    (tmp_path / "recall.jsonl").write_text(BASE.model_dump_json() + '\n{"scenario": "x"}\n')
    with pytest.raises(CheckpointError, match=r"recall\.jsonl: line 2 is damaged"):
        RecallFile.open(tmp_path)
