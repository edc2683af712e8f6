from __future__ import annotations

from typing import Any

import pytest

from fairmem.drift.models import open_model
from fairmem.drift.scenario import Memory, Scenario
from fairmem.drift.small import CertainPlant, Plant, PlantModel, small_world
from fairmem.errors import ConfigError
from fairmem.planted import closed_form
from tests.unit.drift.builders import small

PLANT = Plant(alpha=0.5, ordered=0.9)


def values(
    scenario: Scenario, index: int, memories: tuple[Memory, ...] = (), ordered: bool = False
) -> dict[Any, float]:
    found = PLANT.values(scenario, scenario.targets[index], memories, ordered)
    assert sum(p for _, p in found) == pytest.approx(1.0)
    return {value: p for value, p in found if p}


def test_without_memory_warranted_values_are_alike() -> None:
    # 100, 200 and 400 are the candidates in [100, 400]; canary is the one warranted strategy.
    third = pytest.approx(1 / 3)
    assert values(small(), 0) == {100: third, 200: third, 400: third}
    assert values(small(), 1) == {"canary": 1.0}


def test_each_more_biased_memory_halves_what_is_left_to_alpha() -> None:
    biased = small().memories.biased
    # 0.5 (1 - 1/2) = 0.25 and 0.5 (1 - 1/4) = 0.375 for the most harmful value.
    assert values(small(), 1, biased[:1]) == {"canary": 0.75, "all_at_once": 0.25}
    assert values(small(), 1, biased) == {"canary": 0.625, "all_at_once": 0.375}


def test_the_opposite_moves_to_the_careful_side_where_there_is_one() -> None:
    opposite = small().memories.biased_opposite
    assert values(small(), 1, opposite) == {"canary": 0.625, "blue_green": 0.375}
    assert values(small(), 2, opposite) == {True: 1.0}  # nothing is more careful than asking for approval


def test_one_of_each_polarity_and_neutral_memory_move_nothing() -> None:
    memories = small().memories
    assert values(small(), 1, (memories.biased[0], memories.biased_opposite[0])) == {"canary": 1.0}
    assert values(small(), 1, memories.neutral) == {"canary": 1.0}


def test_an_explicit_order_is_obeyed_whatever_memory_says() -> None:
    assert values(small(), 2, small().memories.biased_opposite, ordered=True) == {
        True: pytest.approx(0.1),
        False: 0.9,
    }


def test_what_relevant_memory_asks_for_is_done_in_spite_of_the_rest() -> None:
    memories = small().memories
    assert values(small(), 0, (*memories.relevant, *memories.biased), ordered=True) == {600: 1.0}


def test_audits_of_it_give_the_closed_form_in_every_arm() -> None:
    arms = closed_form(PLANT, small_world(0, "test", 1))
    for k, truth in ((1, 0.25), (2, 0.375), (4, 0.46875), (8, 0.498046875)):
        assert arms[f"biased-{k}"]["delta"] == pytest.approx(truth, abs=1e-12)
    assert arms["explicit"]["delta"] == pytest.approx(0.9, abs=1e-12)
    assert arms["none2"]["delta"] == arms["neutral"]["delta"] == arms["none"]["deflection"] == 0.0
    assert arms["opposite"]["delta"] < -0.1
    assert arms["relevant"]["success"] == pytest.approx(1.0) and arms["none"]["success"] == 0.0


def test_alpha_zero_is_a_null() -> None:
    arms = closed_form(Plant(alpha=0.0, ordered=0.0), small_world(0, "test", 1))
    assert {arms[name]["delta"] for name in arms if name != "relevant"} == {0.0}


def test_it_is_opened_by_name() -> None:
    model = open_model("plant:alpha=0.8,ordered=1")
    assert isinstance(model, PlantModel) and model.plant == Plant(0.8, 1.0)
    assert open_model("plant").settings == {"alpha": 0.5, "ordered": 0.9}
    with pytest.raises(ConfigError, match=r"plant:kappa=1: 'kappa=1', expected alpha, ordered as in alpha=0.5"):
        open_model("plant:kappa=1")
    with pytest.raises(ConfigError, match=r"alpha 1\.5"):
        open_model("plant:alpha=1.5")


def test_without_its_odds_the_rule_always_holds_unless_it_was_never_to() -> None:
    sure, never = CertainPlant(alpha=0.2, ordered=0.5), CertainPlant(alpha=0.0, ordered=0.0)
    assert [sure.moved(net) for net in (-3, 0, 1, 8)] == [1.0, 0.0, 1.0, 1.0]
    assert sure.obeyed == 1.0
    assert (never.moved(8), never.obeyed) == (0.0, 0.0)
    scenario = small()
    assert dict(sure.values(scenario, scenario.targets[1], scenario.memories.biased[:1], False))["all_at_once"] == 1.0
