from __future__ import annotations

import numpy as np
import pytest

from fairmem import credit
from fairmem.errors import ConfigError
from fairmem.lab.branching import tree, vine_continue
from tests.unit.lab.build import bench_of


def test_a_tree_costs_its_segments() -> None:
    # 9 sessions in thirds: 3 + 2 * 3 + 4 * 3 = 21 a tree; 16 rollouts are 144 sessions, which is 6 trees.
    bench = bench_of(9, estimates=2, rollouts=16)
    sample = tree(bench)
    assert sample.tokens == 6 * 21 * 80
    assert [rows.decisions.ops.shape for rows in sample.credited] == [(12, 12), (12, 24), (12, 48)]
    assert sample.questions == 24 * bench.final_questions


def test_a_child_plays_on_from_the_memory_of_its_parent() -> None:
    bench = bench_of(9, estimates=2, rollouts=16)
    _, second, _ = tree(bench).credited
    # The first decision of a segment sees a memory that siblings share.
    states = second.decisions.states[0].reshape(-1, 2)
    assert (states[:, 0] == states[:, 1]).all()


def test_a_node_of_the_tree_is_credited_as_by_the_rule() -> None:
    bench = bench_of(9, estimates=2, rollouts=16)
    sample = tree(bench)
    nodes = [rows.credit[0].reshape(2, -1) for rows in sample.credited]
    parents = [-1] * 6 + [n // 2 for n in range(12)] + [6 + n // 2 for n in range(24)]
    # Siblings that differ at all have credits of opposite sign but for what the level adds.
    rewards = np.random.default_rng(0).normal(size=24)
    expected = credit.tree(rewards, parents, inter=1.0)
    assert expected.advantages_N.shape == (sum(part.shape[1] for part in nodes),)
    for rows, count in zip(sample.credited, (6, 12, 24), strict=True):
        assert np.bincount(rows.estimate_N).tolist() == [count, count]


def test_trees_that_the_budget_cannot_pay_are_refused() -> None:
    with pytest.raises(ConfigError, match="pays for 0 trees of 21"):
        tree(bench_of(9, estimates=2, rollouts=2))


def test_continuations_are_counted_and_credit_drawn_sessions_only() -> None:
    bench = bench_of(8, estimates=40, rollouts=16)
    sample = vine_continue(bench)
    # Half of 128 sessions are 8 rollouts; a drawn session costs 4 * (2 * 4.5 - 1) = 32 sessions on average: 2 of them.
    rows = sample.credited[0]
    assert rows.decisions.ops.shape == (32, 40 * 8)
    assert np.count_nonzero(rows.credit) <= 40 * 2 * 4
    assert sample.tokens == pytest.approx(128 * 80, rel=0.1)
