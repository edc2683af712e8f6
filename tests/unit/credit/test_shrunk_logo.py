from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import logo, shrunk_logo
from fairmem.errors import CreditError

GLOBAL = [[0.0, 0.5], [1.0, 0.5]]
"""Session 1: deviations -0.5, 0.5; session 2 even and dropped. Squares 0.5, one degree: variance 0.5."""
LOCAL = [(1, [0.25, 0.75]), (2, [0.5, math.nan])]
"""Group 1: squares 0.125, one degree: variance 0.125; the other compares nothing."""


def test_local_rows_weigh_the_ratio_of_the_measured_variances() -> None:
    assert shrunk_logo(GLOBAL, LOCAL, prior=0.0).local_weight == 4.0
    assert shrunk_logo(GLOBAL, LOCAL, local_weight=0.5, prior=0.0).local_weight == 2.0
    # Pooled: (0.5 + 0.125) / 2 = 0.3125. With prior 1: (0.5 + 0.3125) / (0.125 + 0.3125) = 0.8125 / 0.4375.
    assert shrunk_logo(GLOBAL, LOCAL, prior=1.0).local_weight == pytest.approx(0.8125 / 0.4375)


def test_nothing_but_the_weight_differs_from_logo() -> None:
    shrunk, plain = shrunk_logo(GLOBAL, LOCAL), logo(GLOBAL, LOCAL, scale="mean")
    assert (shrunk.global_G_S == plain.global_G_S).all()
    assert all((a == b).all() for a, b in zip(shrunk.local, plain.local, strict=True))
    assert shrunk.diagnostics == plain.diagnostics


def test_the_ratio_is_held_within_its_limit() -> None:
    quiet = [(1, [0.5, 0.51])]
    assert shrunk_logo(GLOBAL, quiet, prior=0.0).local_weight == 10.0
    assert shrunk_logo(GLOBAL, quiet, prior=0.0, limit=3.0).local_weight == 3.0
    loud = [(1, [-5.0, 5.0])]
    assert shrunk_logo(GLOBAL, loud, prior=0.0).local_weight == 0.1


def test_equal_variances_give_logo() -> None:
    assert shrunk_logo(GLOBAL, [(1, [0.0, 1.0])]).local_weight == 1.0


@pytest.mark.parametrize("local", [[], [(1, [0.5, 0.5])], [(1, [0.5, math.nan])]])
def test_where_one_kind_has_no_group_nothing_is_weighed(local: list[tuple[int, list[float]]]) -> None:
    assert shrunk_logo(GLOBAL, local, local_weight=0.5).local_weight == 0.5


def test_scaling_all_rewards_changes_no_weight() -> None:
    doubled = shrunk_logo(2 * np.array(GLOBAL), [(s, 2 * np.array(r)) for s, r in LOCAL])
    assert doubled.local_weight == pytest.approx(shrunk_logo(GLOBAL, LOCAL).local_weight)


def test_what_cannot_be_weighed_is_refused() -> None:
    with pytest.raises(CreditError, match="scale 'std' divides away; use mean or loo"):
        shrunk_logo(GLOBAL, LOCAL, scale="std")
    with pytest.raises(CreditError, match="limit 1 or more"):
        shrunk_logo(GLOBAL, LOCAL, limit=0.5)
