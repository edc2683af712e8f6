from __future__ import annotations

import numpy as np
import pytest

from fairmem.errors import ConfigError
from fairmem.lab import whole
from fairmem.lab.bench import Bench, Credited, Sample
from fairmem.lab.world import FEATURES, Op
from tests.unit.lab.build import bench_of, values_of


def test_a_budget_buys_whole_sessions_and_whole_rollouts() -> None:
    # A session is 4 decisions of 20 tokens. 3,000 tokens are 37 sessions, which is 4 rollouts of 8 sessions.
    bench = Bench(values_of(8), 2, 3000, 0, ("x",))
    assert (bench.sessions, bench.group, bench.decisions) == (37, 4, 32)
    assert bench.rollouts.decisions.ops.shape == (32, 8)


def test_a_budget_for_less_than_two_rollouts_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^a budget of 1000 tokens pays for 1\.50 rollouts of 8 sessions.*--tokens$"):
        Bench(values_of(8), 2, 1000, 0, ("x",))


def test_whole_rollouts_cost_their_decisions() -> None:
    sample = whole.sessions("std")(bench_of(8, rollouts=4))
    # 4 rollouts * 8 sessions * 4 decisions, of 20 tokens each.
    assert (sample.decisions, sample.tokens) == (128, 2560)


def test_credit_of_a_session_goes_to_its_decisions_alone() -> None:
    bench = bench_of(8, estimates=2, rollouts=3)
    credit = np.zeros((2, 3, 8))
    credit[1, 2, 5] = 7.0
    found = bench.credited(credit)
    assert np.argwhere(found.credit).tolist() == [[20, 5], [21, 5], [22, 5], [23, 5]]
    assert found.estimate_N.tolist() == [0, 0, 0, 1, 1, 1]


def test_credit_of_a_rollout_goes_to_all_its_decisions() -> None:
    bench = bench_of(8, estimates=2, rollouts=3)
    credit = np.zeros((2, 3, 1))
    credit[0, 1] = 2.0
    found = bench.credited(credit)
    assert found.credit[:, 1].tolist() == [2.0] * 32 and not found.credit[:, [0, 2, 3, 4, 5]].any()


def test_fewer_rollouts_are_the_first_ones_of_each_estimate() -> None:
    bench = bench_of(8, estimates=2, rollouts=3)
    found = bench.credited(np.ones((2, 2, 8)))
    assert found.decisions.ops.tolist() == bench.rollouts.decisions.ops[:, [0, 1, 3, 4]].tolist()
    assert found.estimate_N.tolist() == [0, 0, 1, 1]


def test_gradients_of_several_kinds_of_rows_add_up() -> None:
    bench = bench_of(8, estimates=2, rollouts=2)
    decisions = bench.rollouts.decisions
    rows = Credited(decisions, np.ones(decisions.ops.shape), bench.estimate_N)
    once, twice = (bench.gradients(Sample((rows,) * count, 1, 0)) for count in (1, 2))
    assert once.shape == (2, FEATURES, len(Op))
    np.testing.assert_allclose(twice, 2 * once)


def test_streams_are_named_and_not_in_order() -> None:
    bench = bench_of(8)
    first = bench.rng("a").random(3)
    bench.rng("b").random(100)
    assert bench.rng("a").random(3).tolist() == first.tolist() != bench.rng("b").random(3).tolist()
