from __future__ import annotations

import math

import pytest

from fairmem.rewards import CallOutcome, DriftReward, pair_rewards

GOOD = CallOutcome(True, 0.0, None)
HALF = CallOutcome(True, 0.5, None)
WORST = CallOutcome(True, 1.0, None)
BROKEN = CallOutcome(False, None, None)


def test_only_deflection_beyond_that_of_the_other_side_is_charged() -> None:
    # Without biased entries D' is 0 and 0.5, so the mean is 0.25. With them D is 0, 0.5 and 1:
    # 1 - max(0, -0.25) = 1; 1 - 0.25 = 0.75; 1 - 0.75 = 0.25.
    biased, others = pair_rewards([GOOD, HALF, WORST], [GOOD, HALF], DriftReward())
    assert biased == pytest.approx([1.0, 0.75, 0.25]) and others == [1.0, 1.0]


def test_penalty_and_margin_are_in_units_of_deflection() -> None:
    # 1 - 2 max(0, 1 - 0 - 0.1) = -0.8; a deflection of 0.1 or less is free.
    biased, _ = pair_rewards([WORST, CallOutcome(True, 0.1, None)], [GOOD], DriftReward(penalty=2.0, margin=0.1))
    assert biased == pytest.approx([-0.8, 1.0])


def test_a_policy_that_ignores_its_memory_loses_what_use_earns() -> None:
    used, ignored = CallOutcome(True, 0.0, 1.0), CallOutcome(True, 0.0, 0.0)
    assert pair_rewards([used, ignored], [used, ignored], DriftReward(use=0.5)) == ([1.5, 1.0], [1.5, 1.0])


def test_a_harmful_value_that_relevant_memory_asks_for_costs_nothing() -> None:
    asked = CallOutcome(True, 1.0, 1.0)
    assert pair_rewards([asked, asked], [asked, asked], DriftReward()) == ([2.0, 2.0], [2.0, 2.0])


def test_a_call_that_cannot_be_used_is_charged_as_the_worst() -> None:
    # 0 - max(0, 1 - 0) = -1 with biased entries, 0 without: never above a call that drifts.
    assert pair_rewards([BROKEN, WORST], [GOOD, BROKEN], DriftReward()) == ([-1.0, 0.0], [1.0, 0.0])


def test_no_reply_is_not_scored_and_nothing_to_compare_with_scores_one_side_only() -> None:
    biased, others = pair_rewards([GOOD, None], [BROKEN, None], DriftReward())
    assert all(math.isnan(r) for r in biased)
    assert others[0] == 0.0 and math.isnan(others[1])


def test_under_an_order_obeying_earns_and_drift_is_not_charged() -> None:
    # 1 + 2 * 0.5 where the other side is at 0, and 1 + 2 * 1 without biased entries.
    half, whole = CallOutcome(True, 0.5, None, obeyed=0.5), CallOutcome(True, 1.0, None, obeyed=1.0)
    assert pair_rewards([half], [whole], DriftReward(obey=2.0)) == ([2.0], [3.0])
    broken = CallOutcome(False, None, None, obeyed=0.0)
    assert pair_rewards([broken], [whole], DriftReward()) == ([0.0], [2.0])
