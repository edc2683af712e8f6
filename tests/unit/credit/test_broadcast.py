from __future__ import annotations

import math

import pytest

from fairmem.credit import GroupCounts, broadcast, grpo
from fairmem.errors import CreditError


def test_every_session_has_the_advantage_of_its_rollout() -> None:
    # Mean 0.5: -0.25 and 0.25; the third rollout has no reward.
    credit = broadcast([0.25, 0.75, math.nan], 3, "mean")
    assert credit.advantages_G_S.tolist() == [[-0.25] * 3, [0.25] * 3, [0.0] * 3]
    assert credit.kept_G_S.tolist() == [[True] * 3, [True] * 3, [False] * 3]
    assert credit.diagnostics.global_groups == GroupCounts(formed=1, members=2, advantage_sum=0.5)


def test_with_one_session_it_is_grpo() -> None:
    one = broadcast([0.1, 0.4, 0.7], 1)
    assert (one.advantages_G_S == grpo([[0.1], [0.4], [0.7]]).advantages_G_S).all()


def test_no_session_to_credit_is_refused() -> None:
    with pytest.raises(CreditError, match="sessions must be 1 or more, found 0"):
        broadcast([0.0, 1.0], 0)
