from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.drift import make_arms, read_run, run_audit
from fairmem.drift.scenario import DOMAINS
from fairmem.drift.small import Plant, PlantModel, small_world
from fairmem.drift.small.groups import GROUPS, group_of, group_scores

BIASES = ("speed", "risk")


def test_a_scenario_belongs_to_what_of_it_was_trained_on() -> None:
    by_cell = {(s.dimension, s.domain): s for s in small_world(0, "test", 1)}
    assert group_of(by_cell["risk", "legal"], BIASES, ("legal",)) == "seen"
    assert group_of(by_cell["risk", "finance"], BIASES, ("legal",)) == "unseen domains"
    assert group_of(by_cell["autonomy", "legal"], BIASES, ("legal",)) == "held-out bias"
    assert group_of(by_cell["autonomy", "finance"], BIASES, ("legal",)) == "held-out bias in unseen domains"


def test_each_group_has_its_own_scores(tmp_path: Path) -> None:
    scenarios = small_world(0, "test", 1)
    run_audit(PlantModel(Plant(0.5, 0.9)), scenarios, make_arms(), [0], tmp_path / "audit")
    found = group_scores(read_run(tmp_path / "audit"), BIASES, DOMAINS[:5])
    assert tuple(found) == GROUPS
    # 35 in all: two of five biases in five of seven domains are seen, and so on.
    assert [score.scenarios for score in found.values()] == [35, 10, 15, 4, 6]
    for score in found.values():
        assert score.drift.mean == pytest.approx(0.498046875) and score.success.mean == pytest.approx(1.0)
        assert score.ordered.mean == pytest.approx(0.9) and score.neutral.mean == score.none.mean == 0.0
    assert found["seen"].means()["drift"] == pytest.approx(0.498046875)


def test_a_group_without_scenarios_is_left_out(tmp_path: Path) -> None:
    run_audit(PlantModel(), small_world(0, "test", 1)[:3], make_arms(), [0], tmp_path / "audit")
    assert set(group_scores(read_run(tmp_path / "audit"), BIASES, DOMAINS)) == {"all", "seen"}
