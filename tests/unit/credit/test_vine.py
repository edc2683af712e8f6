from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import vine
from fairmem.errors import CreditError


def test_a_session_is_worth_the_change_of_value_it_made() -> None:
    # 0.5 - 0.25, 0.25 + 0.25 - 0.5; 0.75 - 0, 0 - 0.75 + 1.
    credit = vine([[0.0, 0.25], [0.0, 1.0]], [[0.25, 0.5, 0.25], [0.0, 0.75, 0.0]])
    assert credit.advantages_G_S.tolist() == [[0.25, 0.0], [0.75, 0.25]]
    assert credit.kept_G_S.all()


def test_the_advantages_of_a_rollout_add_up_to_its_gain() -> None:
    values = np.random.default_rng(1).random((3, 6))
    total = vine(np.zeros((3, 5)), values).advantages_G_S.sum(axis=1)
    assert np.allclose(total, values[:, -1] - values[:, 0])


def test_a_rollout_is_judged_alone() -> None:
    assert vine([[0.0]], [[0.25, 0.75]]).advantages_G_S.tolist() == [[0.5]]


def test_a_missing_value_leaves_out_the_sessions_on_both_sides_of_it() -> None:
    credit = vine(np.zeros((1, 3)), [[0.0, math.nan, 0.5, 0.75]])
    assert credit.kept_G_S.tolist() == [[False, False, True]] and credit.advantages_G_S[0, 2] == 0.25
    assert credit.diagnostics.global_groups.unscored == 2


def test_bad_input_is_refused_with_what_was_found() -> None:
    with pytest.raises(CreditError, match=r"one column more than rewards \(1, 2\), found \(1, 2\)"):
        vine([[0.0, 0.0]], [[0.0, 0.0]])
    with pytest.raises(CreditError, match="infinite"):
        vine([[0.0]], [[0.0, math.inf]])
