from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.drift_coverage import coverage, rate_coverage

from fairmem.drift.intervals import Method, clopper_pearson, mean_interval, redraw_trials


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        # 0 of n: the upper end solves (1 - p)^n = 0.025: 1 - 0.025^(1/10) = 0.30850.
        (0, 10, 0.0, 0.30850),
        (10, 10, 0.69150, 1.0),
        # 1 of 1: 0.025 to 1. 5 of 10 and 1 of 20 as tabulated by Clopper and Pearson's method.
        (1, 1, 0.025, 1.0),
        (5, 10, 0.18709, 0.81291),
        (1, 20, 0.00127, 0.24873),
        (81, 263, 0.2527, 0.3676),  # Newcombe (1998), table I
    ],
)
def test_rates_have_the_exact_interval(count: int, n: int, low: float, high: float) -> None:
    found = clopper_pearson(count, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        # With no hit the upper end solves (1 - p)^10 = 0.025: p = 1 - 0.025^0.1.
        (0, 10, 0.0, 0.3084971),
        (10, 10, 0.6915029, 1.0),
        # Tabulated values (Clopper and Pearson, 1934; also as beta quantiles).
        (5, 10, 0.1870860, 0.8129140),
        (1, 20, 0.0012651, 0.2487328),
    ],
)
def test_the_exact_interval_of_a_proportion(count: int, n: int, low: float, high: float) -> None:
    found = clopper_pearson(count, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    assert found.share == count / n


def test_no_trials_give_no_rate_and_a_wrong_count_is_refused() -> None:
    assert math.isnan(clopper_pearson(0, 0).share)
    with pytest.raises(ValueError, match="expected 0 to 3"):
        clopper_pearson(4, 3)


def test_the_method_follows_the_number_of_scenarios() -> None:
    rng = np.random.default_rng(0)
    assert mean_interval(rng.normal(size=49), resamples=100).method == "studentised"
    assert mean_interval(rng.normal(size=50), resamples=100).method == "bca"


def test_too_few_or_equal_values_give_no_false_width() -> None:
    assert math.isnan(mean_interval([0.3]).low) and math.isnan(mean_interval([]).mean)
    found = mean_interval([0.25, 0.25, 0.25])
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)
    with pytest.raises(ValueError, match="not finite"):
        mean_interval([0.1, math.nan])


def test_the_t_interval_is_students() -> None:
    # Mean 2, sd 1, n = 3: 4.30265 * 1 / sqrt(3) = 2.48414.
    found = mean_interval([1, 2, 3], method="t")
    assert (found.low, found.high) == pytest.approx((-0.48414, 4.48414), abs=1e-5)


def test_equal_seeds_give_equal_intervals_and_shifts_shift_them() -> None:
    values = np.random.default_rng(1).normal(size=60)
    methods: list[Method] = ["bca", "studentised", "percentile"]
    for method in methods:
        one, two = (mean_interval(values, seed=s, resamples=500, method=method) for s in (3, 3))
        moved = mean_interval(values + 1, seed=3, resamples=500, method=method)
        assert one == two
        assert (moved.low - one.low, moved.high - one.high) == pytest.approx((1, 1))


def test_a_skewed_sample_moves_bca_towards_its_tail() -> None:
    values = np.r_[np.zeros(95), np.ones(10)]
    bca = mean_interval(values, method="bca", resamples=4000)
    plain = mean_interval(values, method="percentile", resamples=4000)
    assert bca.low >= plain.low and bca.high > plain.high
    studentised = mean_interval(values, method="studentised", resamples=4000)
    assert studentised.high - studentised.mean > studentised.mean - studentised.low


def test_two_levels_are_never_narrower() -> None:
    rng = np.random.default_rng(2)
    arm, base = rng.normal(0.5, 1, (60, 5)), rng.normal(0, 1, (60, 5))
    deltas = arm.mean(axis=1) - base.mean(axis=1)
    one = mean_interval(deltas, resamples=3000)
    two = mean_interval(deltas, resamples=3000, redraw=redraw_trials(list(arm), list(base)))
    assert two.high - two.low > one.high - one.low
    assert two.mean == one.mean


@pytest.mark.parametrize(("n", "method"), [(105, "bca"), (21, "studentised"), (15, "studentised")])
def test_intervals_cover_what_they_say_on_mild_drift(n: int, method: Method) -> None:
    # 400 simulated audits: the standard error of a coverage of 0.95 is 0.011.
    assert 0.91 <= coverage("mild", n, method, draws=400, resamples=400) <= 0.985


def test_rare_drift_defeats_intervals_of_means_and_not_the_rate() -> None:
    assert coverage("rare", 21, "studentised", draws=300, resamples=200) < 0.75
    assert rate_coverage(21, draws=2000) >= 0.95
