from __future__ import annotations

import math

import numpy as np

from fairmem.credit import GroupCounts, grpo


def test_each_session_is_its_own_group() -> None:
    # Session 1: (0, 1) -> mean 0.5. Session 2: (0.2, 0.6) -> mean 0.4.
    credit = grpo([[0.0, 0.2], [1.0, 0.6]], "mean")
    assert np.allclose(credit.advantages_G_S, [[-0.5, -0.2], [0.5, 0.2]], atol=1e-15)


def test_sessions_without_a_question_are_skipped_and_counted() -> None:
    credit = grpo([[0.0, math.nan], [1.0, math.nan]], "mean")
    assert credit.advantages_G_S.tolist() == [[-0.5, 0.0], [0.5, 0.0]]
    assert credit.kept_G_S.tolist() == [[True, False], [True, False]]
    assert credit.diagnostics.global_groups == GroupCounts(formed=1, unscored=1, members=2, advantage_sum=1.0)


def test_dropped_groups_are_counted_by_reason() -> None:
    # Session 1 kept, 2 all equal, 3 one scored member, 4 nobody scored.
    nan = math.nan
    credit = grpo([[0.0, 0.3, 0.9, nan], [1.0, 0.3, nan, nan], [0.5, 0.3, nan, nan]], "mean")
    counts = credit.diagnostics.global_groups
    assert (counts.formed, counts.zero_variance, counts.too_few_scored, counts.unscored) == (3, 1, 1, 1)
    assert counts.kept == 1
    # |A| of session 1 is 0.5, 0.5, 0; mean 1/3.
    assert counts.mean_abs_advantage == 1 / 3
    assert not credit.advantages_G_S[:, 1:].any()


def test_no_rollouts_give_empty_credit() -> None:
    credit = grpo(np.zeros((0, 3)))
    assert credit.advantages_G_S.shape == (0, 3)
    assert credit.diagnostics.global_groups.mean_abs_advantage is None
