from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import Scale, grpo, logo
from fairmem.errors import CreditError

GLOBAL = [[0.0, 0.2, math.nan], [1.0, 0.6, 0.5], [0.5, 0.1, 0.5]]
LOCAL = [(1, [0.0, 1.0]), (2, [0.4, 0.4, 0.4]), (3, [0.25, math.nan, 0.75])]


def test_local_groups_are_centred_among_themselves() -> None:
    # Group 1: mean 0.5. Group 2: all equal, dropped. Group 3: mean of 0.25 and 0.75 is 0.5.
    credit = logo(GLOBAL, LOCAL, scale="mean")
    assert [advantages.tolist() for advantages in credit.local] == [[-0.5, 0.5], [0.0, 0.0, 0.0], [-0.25, 0.0, 0.25]]
    assert [kept.tolist() for kept in credit.local_kept] == [[True, True], [False] * 3, [True, False, True]]
    counts = credit.diagnostics.local_groups
    assert (counts.formed, counts.kept, counts.zero_variance, counts.members) == (3, 2, 1, 4)
    assert counts.mean_abs_advantage == 0.375  # (0.5 + 0.5 + 0.25 + 0.25) / 4


@pytest.mark.parametrize("scale", ["std", "mean", "loo"])
def test_local_weight_zero_is_grpo_exactly(scale: Scale) -> None:
    plain, combined = grpo(GLOBAL, scale), logo(GLOBAL, LOCAL, local_weight=0.0, scale=scale)
    assert (combined.global_G_S == plain.advantages_G_S).all()
    assert (combined.global_kept_G_S == plain.kept_G_S).all()
    assert combined.diagnostics == plain.diagnostics
    assert [advantages.tolist() for advantages in combined.local] == [[0.0] * 2, [0.0] * 3, [0.0] * 3]
    assert not any(kept.any() for kept in combined.local_kept)


def test_the_global_credit_does_not_depend_on_the_local_branch() -> None:
    assert (logo(GLOBAL, LOCAL).global_G_S == logo(GLOBAL).global_G_S).all()


def test_the_weight_is_carried_beside_the_advantages_and_not_inside_them() -> None:
    full, half = logo(GLOBAL, LOCAL, local_weight=1.0), logo(GLOBAL, LOCAL, local_weight=0.5)
    assert (full.local_weight, half.local_weight) == (1.0, 0.5)
    assert all((a == b).all() for a, b in zip(full.local, half.local, strict=True))


def test_identical_rerollouts_of_identical_banks_give_no_credit_anywhere() -> None:
    credit = logo(np.full((4, 2), 0.7), [(1, [0.3] * 4), (2, [0.9] * 4)])
    assert not credit.global_G_S.any() and not any(a.any() for a in credit.local)
    assert credit.diagnostics.global_groups.zero_variance == 2
    assert credit.diagnostics.local_groups.zero_variance == 2


@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_a_weight_that_is_no_weight_is_refused(weight: float) -> None:
    with pytest.raises(CreditError, match="local_weight"):
        logo(GLOBAL, LOCAL, local_weight=weight)


def test_a_local_group_of_another_rank_is_refused_by_session() -> None:
    with pytest.raises(CreditError, match="local rewards of session 2"):
        logo(GLOBAL, [(2, [[0.1, 0.2]])])
