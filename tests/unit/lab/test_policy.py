from __future__ import annotations

import numpy as np
import pytest

from fairmem.lab.policy import Policy, sensible_policy
from fairmem.lab.world import FEATURES, Kind, Op, Relation


def test_a_beginner_prefers_the_obvious_by_its_skill() -> None:
    found = sensible_policy(np.log(3)).probabilities_F_A
    # exp(log 3) = 3 against three ones: 3 / 6 and 1 / 6.
    assert found[Kind.FACT * 3 + Relation.NONE].tolist() == pytest.approx([1 / 6, 3 / 6, 1 / 6, 1 / 6])
    assert found[Kind.CHANGE * 3 + Relation.CONTRADICTS].argmax() == Op.UPDATE
    assert found[Kind.REPEAT * 3 + Relation.AGREES].argmax() == Op.NOOP
    assert found[Kind.NOISE * 3 + Relation.CONTRADICTS].argmax() == Op.NOOP


def test_the_score_function_is_the_derivative_of_the_log_probability() -> None:
    rng = np.random.default_rng(0)
    policy = Policy(rng.normal(size=(FEATURES, len(Op))))
    feature, op, step = 6, 2, 1e-6
    found = policy.gradients(np.array([feature]), np.array([op]), np.ones(1), np.zeros(1, dtype=np.int64), 1)[0]
    for f in (5, 6):
        for a in range(len(Op)):
            moved = policy.logits_F_A.copy()
            moved[f, a] += step
            change = np.log(Policy(moved).probabilities_F_A[feature, op] / policy.probabilities_F_A[feature, op])
            assert found[f, a] == pytest.approx(change / step, abs=1e-5)


def test_weighted_scores_add_up_within_their_group() -> None:
    policy = sensible_policy(0.0)
    features = np.array([[0, 0], [0, 3]], dtype=np.uint8)
    ops = np.array([[1, 1], [2, 0]], dtype=np.uint8)
    weights = np.array([[1.0, 2.0], [4.0, 0.5]])
    found = policy.gradients(features, ops, weights, np.array([0, 1]), 2)
    # Column 0 is group 0: ADD with weight 1 and UPDATE with weight 4 at feature 0; each op loses (1 + 4) / 4.
    assert found[0, 0].tolist() == [-1.25, -0.25, 2.75, -1.25]
    # Column 1 is group 1: ADD with weight 2 at feature 0, NOOP with weight 0.5 at feature 3.
    assert found[1, 0].tolist() == [-0.5, 1.5, -0.5, -0.5]
    assert found[1, 3].tolist() == [0.375, -0.125, -0.125, -0.125]
    assert np.count_nonzero(found) == 12
