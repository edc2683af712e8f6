"""Exact values by hand, by listing every sequence of operations, and by slopes where those cannot be listed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fairmem.lab.exact import ExactValues, solve
from fairmem.lab.policy import Policy
from fairmem.lab.script import Script, draw_script
from fairmem.lab.world import ENTRIES, FEATURE, FEATURES, NEXT, SHARE, Bytes, Floats, Kind, Op, WorldSettings
from fairmem.seeds import numpy_rng
from tests.unit.lab.build import fact_then_change, uniform, values_of

TINY = WorldSettings(3, 2, fact=0.3, passing=0.1, change=0.3, repeat=0.1, noise=0.2, crowding=1.3)
NONE, CONTRADICTS = 0, 2


def test_a_fact_that_changes_worked_by_hand() -> None:
    values = solve(fact_then_change(), uniform())
    # An entry costs 0.4 / 2 statements = 0.2 at the end.
    # Not written in session 1 (3/4: NOOP, and UPDATE and DELETE, which are refused): then ADD gives 1 - 0.2 = 0.8, the
    # other three 0; mean 0.2.
    # Written (1/4): the entry is wrong after the change. NOOP 0 - 0.2, ADD 1/2 - 0.4, UPDATE 1 - 0.2, DELETE 0;
    # mean (-0.2 + 0.1 + 0.8 + 0) / 4 = 0.175.
    # J = 0.75 * 0.2 + 0.25 * 0.175 = 0.19375.
    assert values.expected_return == pytest.approx(0.19375)
    # So to write the fact down is worth 0.175 - 0.19375, and not to, 0.2 - 0.19375.
    first = values.advantages(np.zeros(1, dtype=np.uint8), 0)
    assert first.tolist() == pytest.approx([0.00625, -0.01875, 0.00625, 0.00625])
    written = np.array([1], dtype=np.uint8)
    assert values.advantages(written, 1).tolist() == pytest.approx([-0.375, -0.075, 0.625, -0.175])
    # Gradient: probability of the state, times 1/4, times the advantage.
    gradient = values.gradient_F_A
    assert gradient[Kind.FACT * 3 + NONE].tolist() == pytest.approx([0.0015625, -0.0046875, 0.0015625, 0.0015625])
    assert gradient[Kind.CHANGE * 3 + NONE].tolist() == pytest.approx([-0.0375, 0.1125, -0.0375, -0.0375])
    assert gradient[Kind.CHANGE * 3 + CONTRADICTS].tolist() == pytest.approx(
        [-0.0234375, -0.0046875, 0.0390625, -0.0109375]
    )
    assert np.count_nonzero(gradient) == 12


def final_score(script: Script, states_K: Bytes) -> float:
    """The return, written out."""
    n = ENTRIES[states_K].sum()
    answers = SHARE[states_K][script.asked_K].mean() * np.exp(-script.settings.crowding * n / script.decisions)
    return float(answers - script.settings.entry_cost * n / script.decisions)


def listed(script: Script, policy: Policy, states_K: Bytes, decision: int) -> tuple[float, Floats]:
    """(expected return, its gradient) from a state on, by listing every sequence of operations."""
    probabilities = policy.probabilities_F_A
    total, gradient = 0.0, np.zeros((FEATURES, len(Op)))
    for ops in itertools.product(Op, repeat=script.decisions - decision):
        states, likely, score = states_K.copy(), 1.0, np.zeros_like(gradient)
        for place, op in enumerate(ops, start=decision):
            kind, topic = script.kind_D[place], script.topic_D[place]
            feature = FEATURE[kind, states[topic]]
            likely *= probabilities[feature, op]
            score[feature] -= probabilities[feature]
            score[feature, op] += 1
            states[topic] = NEXT[kind, states[topic], op]
        total += likely * final_score(script, states)
        gradient += likely * final_score(script, states) * score
    return total, gradient


def tiny(seed: int) -> ExactValues:
    rng = numpy_rng(seed, "tiny")
    return solve(draw_script(TINY, rng), Policy(rng.normal(size=(FEATURES, len(Op)))))


@pytest.mark.parametrize("seed", range(3))
def test_return_and_gradient_equal_the_sum_over_all_4096_sequences(seed: int) -> None:
    values = tiny(seed)
    empty = np.zeros(values.script.topics, dtype=np.uint8)
    total, gradient = listed(values.script, values.policy, empty, 0)
    assert values.expected_return == pytest.approx(total, abs=1e-12)
    np.testing.assert_allclose(values.gradient_F_A, gradient, atol=1e-12)
    assert np.abs(gradient).max() > 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_advantages_equal_the_sums_over_all_sequences_that_follow(seed: int) -> None:
    values = tiny(seed)
    script = values.script
    # A memory that two decisions can have left: two entries on the first topic or one each.
    states = np.zeros(script.topics, dtype=np.uint8)
    for decision in (0, 1):
        states[script.topic_D[decision]] = NEXT[script.kind_D[decision], states[script.topic_D[decision]], Op.ADD]
    before, _ = listed(script, values.policy, states, 2)
    assert values.value(states, 2) == pytest.approx(before, abs=1e-12)
    for op in Op:
        after = states.copy()
        topic = script.topic_D[2]
        after[topic] = NEXT[script.kind_D[2], states[topic], op]
        later, _ = listed(script, values.policy, after, 3)
        assert values.advantages(states, 2)[op] == pytest.approx(later - before, abs=1e-12)


def test_at_the_end_the_value_is_the_score() -> None:
    values = tiny(0)
    states = np.arange(values.script.topics, dtype=np.uint8) % 6
    assert values.value(states, values.script.decisions) == pytest.approx(final_score(values.script, states))


def test_the_gradient_at_128_sessions_is_the_slope_of_the_return() -> None:
    values = values_of(128)
    step = 1e-5
    places = [(0, 1), (8, 2), (14, 0), (3, 3)]  # a fact, a change, noise on a known topic, a passing fact
    for place in places:
        up, down = values.policy.logits_F_A.copy(), values.policy.logits_F_A.copy()
        up[place] += step
        down[place] -= step
        higher, lower = (solve(values.script, Policy(logits)).expected_return for logits in (up, down))
        assert values.gradient_F_A[place] == pytest.approx((higher - lower) / (2 * step), rel=1e-5)


def test_advantages_average_to_zero_under_the_policy() -> None:
    values = values_of(16)
    states = np.zeros(values.script.topics, dtype=np.uint8)
    kind = values.script.kind_D[0]
    mean = values.policy.probabilities_F_A[FEATURE[kind, 0]] @ values.advantages(states, 0)
    assert mean == pytest.approx(0, abs=1e-12)
