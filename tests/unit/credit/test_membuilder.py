from __future__ import annotations

import numpy as np
import pytest

from fairmem.credit import grpo, membuilder
from fairmem.errors import CreditError

REWARDS = [[0.0, 0.5], [1.0, 0.25]]
USED = [[[3, 1], [0, 0]], [[2, 2], [0, 5]]]


def test_the_component_used_most_weighs_more() -> None:
    credit = membuilder(REWARDS, USED)
    # 3 beats 1; nothing was used; a tie: both; 5 beats 0.
    assert credit.weights_G_S_K.tolist() == [[[4, 1], [1, 1]], [[4, 4], [1, 4]]]
    assert membuilder(REWARDS, USED, weight=2.0).weights_G_S_K[0, 0].tolist() == [2, 1]


def test_advantages_are_those_of_grpo() -> None:
    credit, plain = membuilder(REWARDS, USED, scale="mean"), grpo(REWARDS, "mean")
    assert credit.advantages_G_S.tolist() == plain.advantages_G_S.tolist() == [[-0.5, 0.125], [0.5, -0.125]]
    assert (credit.kept_G_S == plain.kept_G_S).all() and credit.diagnostics == plain.diagnostics


def test_no_component_gives_no_weight() -> None:
    assert membuilder(REWARDS, np.zeros((2, 2, 0))).weights_G_S_K.shape == (2, 2, 0)


def test_bad_input_is_refused_with_what_was_found() -> None:
    with pytest.raises(CreditError, match=r"used_G_S_K must begin with \(2, 2\), found shape \(2, 1, 2\)"):
        membuilder(REWARDS, np.zeros((2, 1, 2)))
    with pytest.raises(CreditError, match="counts of 0 or more"):
        membuilder(REWARDS, -np.array(USED))
    with pytest.raises(CreditError, match="weight must be above 0"):
        membuilder(REWARDS, USED, weight=0.0)
