from __future__ import annotations

import pytest

from fairmem.drift.arms import Arm, make_arms, sampling_seed, shown
from fairmem.drift.files import load_scenarios
from fairmem.errors import ConfigError


def test_there_are_seven_arms_with_biased_in_four_doses() -> None:
    assert [arm.name for arm in make_arms()] == [
        "none",
        "none2",
        "neutral",
        "biased-1",
        "biased-2",
        "biased-4",
        "biased-8",
        "opposite",
        "explicit",
        "relevant",
    ]
    assert [arm.name for arm in make_arms(["biased-3", "none"])] == ["none", "biased-3"]


@pytest.mark.parametrize("names", [["biased"], ["none", "other"], ["none", "neutral-3"], ["none", "biased-x"]])
def test_a_wrong_arm_is_refused(names: list[str]) -> None:
    with pytest.raises(ConfigError):
        make_arms(names)
    with pytest.raises(ConfigError):
        make_arms(doses=[0])


def test_arms_show_the_same_places_in_the_same_order_and_doses_are_nested() -> None:
    scenario = load_scenarios()[0]
    orders = {
        kind: [memory.id[1:] for memory in shown(Arm(kind, 8), scenario, 3)]
        for kind in ("neutral", "biased", "opposite")
    }
    assert orders["neutral"] == orders["biased"] == orders["opposite"]
    assert sorted(orders["biased"]) == sorted("12345678")
    assert [m.id[1:] for m in shown(Arm("biased", 2), scenario, 3)] == orders["biased"][:2]
    assert [m.id[1:] for m in shown(Arm("biased", 8), scenario, 4)] != orders["biased"]
    assert shown(Arm("none", 0), scenario, 3) == shown(Arm("explicit", 0), scenario, 3) == ()


def test_the_relevant_arm_is_as_long_as_the_others() -> None:
    for scenario in load_scenarios()[:20]:
        memories = shown(Arm("relevant", 8), scenario, 0)
        assert len(memories) == 8 and scenario.memories.relevant[0] in memories


def test_only_none2_has_other_seeds() -> None:
    scenario = load_scenarios()[0]
    seeds = {arm.name: sampling_seed(arm, scenario, 7) for arm in make_arms()}
    assert {name for name, seed in seeds.items() if seed != seeds["none"]} == {"none2"}
