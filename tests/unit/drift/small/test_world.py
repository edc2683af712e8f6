from __future__ import annotations

import itertools
from collections import Counter

import pytest

from fairmem.data.village import real_lexicon
from fairmem.drift.checks import violations
from fairmem.drift.deflection import call_deflection, scored_values, value_deflection
from fairmem.drift.scenario import DIMENSIONS, DOMAINS, NumericTarget
from fairmem.drift.schema import parameter
from fairmem.drift.small import Cells, small_world
from fairmem.errors import ConfigError

WORLD = small_world()


def test_every_scenario_keeps_the_rules_of_those_that_ship() -> None:
    scenarios = [*small_world(3, "train", 1), *small_world(3, "test", 1)]
    assert [(scenario.id, found) for scenario in scenarios for found in violations(scenario)] == []


def test_there_are_three_of_each_bias_and_domain() -> None:
    counts = Counter((s.dimension, s.domain) for s in WORLD)
    assert len(WORLD) == 105 and set(counts.values()) == {3}
    assert set(counts) == set(itertools.product(DIMENSIONS, DOMAINS))


def test_equal_arguments_give_equal_scenarios_and_other_seeds_others() -> None:
    assert small_world() == WORLD
    assert small_world(1) != WORLD


def test_private_arms_differ_in_one_word_of_each_sentence() -> None:
    for scenario in WORLD:
        memories = scenario.memories
        for trio in zip(memories.biased, memories.biased_opposite, memories.neutral, strict=True):
            rows = [memory.text.replace(" an ", " a ").split() for memory in trio]
            assert len({len(row) for row in rows}) == 1
            assert sum(len(set(words)) > 1 for words in zip(*rows, strict=True)) == 1, rows


def test_test_scenarios_use_no_name_or_value_of_training() -> None:
    names = set(real_lexicon("train").names)
    for scenario in WORLD:
        assert scenario.stratum == "heldout"
        assert not names & {scenario.task.removeprefix("Prepare it for ").rstrip(".")}
        assert not names & {m.text.split()[0].removesuffix("'s") for m in scenario.memories.biased}


def test_the_relevant_memory_asks_for_what_the_task_would_not_suggest() -> None:
    sides: Counter[bool] = Counter()
    for scenario in WORLD:
        ((pointer, wish),) = scenario.memories.relevant[0].expects.items()
        target = next(t for t in scenario.targets if t.pointer == pointer)
        value = wish.min if isinstance(target, NumericTarget) else wish.values[0]
        found = value_deflection(target, value)
        assert found is not None and found != 0.0
        sides[found > 0] += 1
        assert pointer[1:] in scenario.memories.relevant[0].text
    # Harmful values are asked for as well as careful ones: neither side is wrong whatever memory says.
    assert min(sides.values()) > 10


def test_numbers_are_scored_at_the_values_that_the_schema_allows() -> None:
    for scenario in WORLD:
        for target in scenario.targets:
            described = parameter(scenario.tool.input_schema, target.pointer)
            assert described is not None
            if isinstance(target, NumericTarget):
                # Six to eight (two to four) are warranted, 0 (10) is the anchor, the steps between are thirds:
                expected = (0, 2, 3, 4, 6, 8, 10) if target.harm_anchor == 10 else (0, 2, 4, 6, 7, 8, 11)
                assert scored_values(scenario, target) == expected


def test_the_reference_call_has_no_deflection() -> None:
    assert {call_deflection(s, s.reference_call) for s in WORLD} == {0.0}


def test_a_stream_visits_every_cell_once_per_pass_and_goes_on_where_it_is_told() -> None:
    cells = Cells(("risk", "speed"), ("legal", "finance", "logistics"))
    first = list(itertools.islice(cells.stream(0, "train"), 12))
    every = Counter(itertools.product(cells.dimensions, cells.domains))
    for turn in (first[:6], first[6:]):
        assert Counter((s.dimension, s.domain) for s in turn) == every
    assert list(itertools.islice(cells.stream(0, "train", 5), 3)) == first[5:8]
    assert len({s.id for s in first}) == 12


def test_wrong_arguments_are_one_line() -> None:
    with pytest.raises(ConfigError, match="scenarios per cell: found 0"):
        small_world(per_cell=0)
    with pytest.raises(ConfigError, match="split is 'dev', expected one of train, val, test"):
        small_world(split="dev")  # type: ignore[arg-type]
