from __future__ import annotations

from fairmem.config import LearnerConfig
from fairmem.learner.minibatches import minibatches, shares
from tests.unit.learner.conftest import MakeRow


def test_one_minibatch_is_all_rows_in_order() -> None:
    assert list(minibatches(3, LearnerConfig(epochs=2), seed=0, step=0)) == [[0, 1, 2], [0, 1, 2]]


def test_several_minibatches_hold_every_row_once_per_pass_in_another_order_each_pass_and_step() -> None:
    config = LearnerConfig(epochs=2, minibatches=3)
    parts = list(minibatches(8, config, seed=5, step=0))
    assert [len(part) for part in parts] == [3, 3, 2, 3, 3, 2]  # 8 rows in 3 parts
    first, second = [i for part in parts[:3] for i in part], [i for part in parts[3:] for i in part]
    assert sorted(first) == sorted(second) == list(range(8))
    assert first != second and parts != list(minibatches(8, config, seed=5, step=1))
    assert parts == list(minibatches(8, config, seed=5, step=0))


def test_a_step_without_rows_has_no_minibatch() -> None:
    assert list(minibatches(0, LearnerConfig(minibatches=2), seed=0, step=0)) == []


def test_shares_follow_weights_and_with_token_aggregation_tokens_too(row: MakeRow) -> None:
    rows = [row(ids=(3,), weight=1.0), row(ids=(3, 4, 5), weight=1.0), row(ids=(3, 4), weight=3.0)]
    assert shares(rows, [0, 1, 2], LearnerConfig()) == [0.2, 0.2, 0.6]  # 1, 1 and 3 of 5
    assert shares(rows, [0, 1], LearnerConfig(aggregation="token")) == [0.25, 0.75]  # 1 and 3 of 4 tokens
