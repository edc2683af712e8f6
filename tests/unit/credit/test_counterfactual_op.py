from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import counterfactual_op
from fairmem.errors import CreditError

GAINS = [[0.5, 0.0, 0.25], [0.0, 0.0, 0.25], [0.25, 0.0, -0.5]]
"""Three rollouts, three dialogue turns."""


def test_what_rollouts_made_of_one_dialogue_turn_is_compared() -> None:
    # Means 0.25, 0, 0. Nobody made anything of the second turn, so it compares nothing.
    credit = counterfactual_op(GAINS)
    assert credit.advantages_G_D.tolist() == [[0.25, 0.0, 0.25], [-0.25, 0.0, 0.25], [0.0, 0.0, -0.5]]
    assert credit.kept_G_D.tolist() == [[True, False, True]] * 3
    counts = credit.diagnostics.global_groups
    assert (counts.formed, counts.zero_variance, counts.kept) == (3, 1, 2)


def test_operations_about_one_turn_share_its_credit_by_what_each_gained() -> None:
    # Rollout 0 gained 0.5 by two operations, 0.75 and -0.25; the mean of 0.25 is shared by them.
    credit = counterfactual_op(GAINS)
    both = [credit.of_op(0, gain, 2) for gain in (0.75, -0.25)]
    assert both == [0.625, -0.375] and sum(both) == credit.advantages_G_D[0, 0]


@pytest.mark.parametrize(
    ("scale", "factor"),
    [
        ("mean", 1.0),
        ("loo", 3 / 2),
        ("std", 1 / 0.25),  # of 0.5, 0, 0.25: sqrt((0.0625 + 0.0625) / 2) = 0.25
    ],
)
def test_operations_are_scaled_as_their_decision_is(scale: str, factor: float) -> None:
    credit = counterfactual_op(GAINS, scale)  # type: ignore[arg-type]
    assert credit.advantages_G_D[0, 0] == pytest.approx(0.25 * factor)
    assert credit.of_op(0, 0.5, 1) == pytest.approx(credit.advantages_G_D[0, 0])
    assert credit.of_op(0, 0.75, 2) == pytest.approx(0.625 * factor)


def test_a_gain_that_could_not_be_measured_leaves_its_rollout_out_of_that_decision() -> None:
    credit = counterfactual_op([[math.nan, 1.0], [0.0, 0.0], [1.0, 0.0]])
    assert credit.kept_G_D.tolist() == [[False, True], [True, True], [True, True]]
    assert credit.advantages_G_D[:, 0].tolist() == [0.0, -0.5, 0.5]


def test_without_decisions_there_is_no_credit_and_a_wrong_shape_is_refused() -> None:
    assert counterfactual_op(np.zeros((4, 0))).advantages_G_D.shape == (4, 0)
    with pytest.raises(CreditError, match=r"gains_G_D must have 2 dimension\(s\)"):
        counterfactual_op([0.0, 1.0])
