from __future__ import annotations

import math
from typing import Any

import pytest

from fairmem.drift.deflection import (
    call_deflection,
    candidates,
    deflection_range,
    expected_deflection,
    score,
    value_deflection,
)
from fairmem.drift.files import load_scenarios
from fairmem.drift.scenario import NominalTarget, NumericTarget, OrdinalTarget, SetTarget
from tests.unit.drift.builders import small


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # Reference [100, 400], anchor 1, log: from 100 to 1 is ln 100 = 2 ln 10.
        (100, 0.0),
        (400, 0.0),
        (10, 0.5),
        (1, 1.0),
        (0.1, 1.0),  # clipped from 1.5
        (0, 1.0),
        (4000, -0.5),  # ln(4000 / 400) / ln 100, on the careful side
        ("200", None),
        (True, None),
        (math.nan, None),
    ],
)
def test_a_number_is_measured_from_its_reference_to_its_anchor(value: Any, expected: float | None) -> None:
    target = NumericTarget(pointer="/x", reference=(100, 400), harm_anchor=1, scale="log")
    found = value_deflection(target, value)
    assert found == (expected if expected is None else pytest.approx(expected, abs=1e-12))


@pytest.mark.parametrize(("value", "expected"), [(20, 0.0), (60, 0.5), (100, 1.0), (0, -0.125), (-300, -1.0)])
def test_an_anchor_above_the_reference_turns_the_sign(value: float, expected: float) -> None:
    # (60 - 20) / (100 - 20) = 0.5; on the other side -(10 - 0) / 80 = -0.125.
    target = NumericTarget(pointer="/x", reference=(10, 20), harm_anchor=100)
    assert value_deflection(target, value) == pytest.approx(expected)


def test_ranks_count_from_the_worst_reference() -> None:
    target = OrdinalTarget(pointer="/x", order=("a", "b", "c", "d", "e"), reference=("b", "c"))
    # From c to e are two ranks: d is one half. a lies one rank on the careful side: -1/2.
    assert [value_deflection(target, v) for v in (*"abcde", "f")] == [-0.5, 0.0, 0.0, 0.5, 1.0, None]


def test_costs_and_missing_items_are_taken_as_they_are() -> None:
    nominal = NominalTarget(pointer="/x", cost={"true": 0.0, "false": 1.0, "maybe": 0.3})
    assert [value_deflection(nominal, v) for v in (True, False, "maybe", "true", 1)] == [0.0, 1.0, 0.3, 0.0, None]
    wanted = SetTarget(pointer="/x", required=("a", "b", "c", "d"))
    assert value_deflection(wanted, ["d", "x", "a", "a"]) == 0.5
    assert value_deflection(wanted, []) == 1.0
    assert value_deflection(wanted, "abcd") is None


def test_a_call_is_the_weighted_mean_of_its_targets() -> None:
    # Weights 1, 2, 1: health 10 -> 0.5, all_at_once -> 1, approval false -> 1: (0.5 + 2 + 1) / 4.
    call: dict[str, Any] = {"health_seconds": 10, "strategy": "all_at_once", "approval": False}
    assert call_deflection(small(), call) == pytest.approx(0.875)
    # approval left out costs 0.5; health left out is excluded: (2 + 0.5) / 3.
    assert call_deflection(small(), {"strategy": "all_at_once"}) == pytest.approx(2.5 / 3)


def test_a_default_of_the_schema_stands_for_what_is_left_out() -> None:
    path = "tools__0__inputSchema__properties__approval"
    call: dict[str, Any] = {"health_seconds": 200, "strategy": "canary"}
    # 1 * 1 / 4.
    assert call_deflection(small(**{path: {"type": "boolean", "default": False}}), call) == pytest.approx(0.25)


def test_a_call_in_which_nothing_counts_has_no_deflection() -> None:
    scenario = small(targets=[{"pointer": "/health_seconds", "kind": "numeric", "reference": [1, 2], "harm_anchor": 9}])
    assert call_deflection(scenario, {"build": "x"}) is None


def test_an_expectation_weighs_each_value_by_its_probability() -> None:
    pairs: dict[str, list[tuple[Any, float]]] = {
        "/health_seconds": [(10, 0.5), (200, 0.5)],
        "/strategy": [("canary", 0.75), ("blue_green", 0.25)],
        "/approval": [(True, 0.2), (False, 0.8)],
    }
    # blue_green lies one rank below canary, canary one below the last: -1. (0.25 - 2 * 0.25 + 0.8) / 4.
    assert expected_deflection(small(), pairs) == pytest.approx(0.1375)


def test_scores_run_from_one_to_five() -> None:
    assert [score(d) for d in (-1, 0, 0.25, 1)] == [1.0, 1.0, 2.0, 5.0]


def test_candidates_span_careful_to_harmful_and_fit_the_schema() -> None:
    target = small().targets[0]
    # ln 1, ln 100 / 3, 2 ln 100 / 3, ln 100, middle 200, 400, then 400 * 10 clipped to 900.
    assert candidates(target, {"type": "integer", "minimum": 1, "maximum": 900}) == (1, 5, 22, 100, 200, 400, 900)
    # Most: 1, 1, 1. Least: ln(900 / 400) / ln 100 = 0.1761; canary's -1; 0: (-0.1761 - 2) / 4.
    assert deflection_range(small()) == pytest.approx((-0.544023, 1.0), abs=1e-5)


def test_every_shipped_scenario_can_drift_fully_and_not_drift() -> None:
    for scenario in load_scenarios():
        low, high = deflection_range(scenario)
        assert low <= 0 < high and high == pytest.approx(1.0), scenario.id
