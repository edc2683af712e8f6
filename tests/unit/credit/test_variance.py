from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit.variance import pooled_variances, squared_deviations
from fairmem.errors import CreditError

NAN = math.nan


def test_squared_deviations_leave_out_what_is_missing() -> None:
    # 0 and 1 about 0.5: 0.25 + 0.25, one degree of freedom.
    assert squared_deviations(np.array([0.0, NAN, 1.0])) == (0.5, 1)
    assert squared_deviations(np.array([0.3, NAN])) == (0.0, 0)


def test_variances_are_pulled_towards_the_pooled_one() -> None:
    samples = np.array([[0.0, 0.0], [1.0, 3.0]])
    # Sums of squares 0.5 and 4.5, one degree each; pooled 5 / 2 = 2.5.
    assert pooled_variances(samples, 0.0).tolist() == [0.5, 4.5]
    # (0.5 + 4 * 2.5) / 5 = 2.1 and (4.5 + 10) / 5 = 2.9.
    assert pooled_variances(samples, 4.0).tolist() == [2.1, 2.9]


def test_a_column_that_measures_nothing_has_the_pooled_variance() -> None:
    samples = np.array([[0.0, NAN], [1.0, 0.7]])
    assert pooled_variances(samples, 0.0).tolist() == pooled_variances(samples, 4.0).tolist() == [0.5, 0.5]
    assert pooled_variances(np.array([[NAN], [0.2]]), 4.0).tolist() == [0.0]


def test_a_prior_out_of_range_is_refused() -> None:
    with pytest.raises(CreditError, match="prior must be 0 or more and finite, found -1"):
        pooled_variances(np.zeros((2, 1)), -1)
