from __future__ import annotations

import math

import pytest

from fairmem.agents.hooks import Proposal
from fairmem.drift.defenses.values import (
    conditional,
    kept_or,
    merged,
    mixed,
    total_variation,
    values_of,
    with_values,
)
from fairmem.drift.schema import MISSING


def test_a_call_has_one_value_of_probability_1_for_each_argument_that_is_no_object() -> None:
    proposal = Proposal("t", {"a": 1, "limits": {"s": 2, "deep": {}}, "list": [1, {"x": 2}]})
    assert values_of(proposal) == {
        "/a": [(1, 1.0)],
        "/limits/s": [(2, 1.0)],
        "/limits/deep": [({}, 1.0)],
        "/list": [([1, {"x": 2}], 1.0)],
    }


def test_values_are_set_nested_made_and_left_out_without_touching_the_call_before() -> None:
    before = {"a": 1, "limits": {"s": 2, "t": 3}, "gone": 4}
    after = with_values(
        Proposal("t", before), {"/limits/s": [(9, 1.0)], "/gone": [(MISSING, 1.0)], "/new/x~1y": [(True, 1.0)]}
    )
    assert after.arguments == {"a": 1, "limits": {"s": 9, "t": 3}, "new": {"x/y": True}}
    assert before == {"a": 1, "limits": {"s": 2, "t": 3}, "gone": 4}


def test_values_that_are_equal_in_json_are_one_and_others_are_not() -> None:
    assert merged([(2, 0.5), (2.0, 0.25), ("2", 0.25)]) == [(2.0, 0.75), ("2", 0.25)]
    assert total_variation([(True, 1.0)], [("true", 1.0)]) == 1.0
    assert total_variation([(True, 1.0)], [(1, 1.0)]) == 1.0


def test_total_variation_is_half_the_sum_of_differences() -> None:
    # |0.5 - 0.2| + |0.5 - 0.3| + |0 - 0.5| = 1.0, half of it 0.5.
    assert total_variation([("a", 0.5), ("b", 0.5)], [("a", 0.2), ("b", 0.3), ("c", 0.5)]) == pytest.approx(0.5)


def test_what_is_not_kept_is_drawn_from_the_reference() -> None:
    # Kept: 5 with 0.3. The other 0.7 goes to the reference: 1 with 0.7 * 0.4, 5 with 0.7 * 0.6; 5 has 0.3 + 0.42.
    found = kept_or([(1, 0.7), (5, 0.3)], [(1, 0.4), (5, 0.6)], lambda value: value == 5)
    assert dict(found) == {5: pytest.approx(0.72), 1: pytest.approx(0.28)}
    assert kept_or([(1, 1.0)], [(2, 1.0)], lambda _: False) == [(2, 1.0)]
    assert kept_or([(1, 1.0)], [(2, 1.0)], lambda _: True) == [(1, 1.0)]


def test_the_conditional_of_nothing_is_none() -> None:
    assert conditional([(1, 0.2), (2, 0.8)], lambda v: v == 1) == [(1, 1.0)]
    assert conditional([(1, 0.2), (2, 0.8)], lambda v: v == 3) is None
    assert conditional([(1, 0.0), (2, 1.0)], lambda v: v == 1) is None


def test_mixing_halves_the_difference_of_the_logits() -> None:
    # ln odds with memory 2, without -1: half way is 0.5.
    own = [(True, 1 / (1 + math.exp(-2))), (False, 1 / (1 + math.exp(2)))]
    none = [(True, 1 / (1 + math.exp(1))), (False, 1 / (1 + math.exp(-1)))]
    found = dict(mixed(own, none, 0.5))
    assert math.log(found[True] / found[False]) == pytest.approx(0.5)
    assert mixed(own, none, 0.0) == none and mixed(own, none, 1.0) == own


def test_mixing_with_nothing_in_common_falls_back_to_the_reference() -> None:
    assert mixed([(1, 1.0)], [(2, 1.0)], 0.5) == [(2, 1.0)]
