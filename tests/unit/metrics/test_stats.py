"""Clustered means: values worked by hand, and what the intervals cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.metrics import Interval, clustered_mean, clustered_se
from fairmem.metrics.stats import bootstrap_means, student_t_cdf, student_t_quantile
from fairmem.seeds import numpy_rng

NAN = math.nan


def test_the_mean_is_over_questions_and_not_over_conversations() -> None:
    # micro (1 + 1 + 1 + 0) / 4; the mean of the two conversation means would be 0.5
    interval = clustered_mean([1.0, 1.0, 1.0, 0.0], ["x", "x", "x", "y"])
    assert interval.mean == 0.75
    assert (interval.n, interval.clusters, interval.unscored) == (4, 2, 0)


def test_the_clustered_standard_error_matches_the_formula_worked_by_hand() -> None:
    # mean 0.5; residual sums: x 0.5 + 0.5 = 1, y -0.5 - 0.5 = -1; sqrt(2/1 * (1 + 1)) / 4 = 0.5
    assert clustered_se([1.0, 1.0, 0.0, 0.0], ["x", "x", "y", "y"]) == pytest.approx(0.5)
    # opposite answers within a conversation cancel: residual sums are 0
    assert clustered_se([1.0, 0.0, 1.0, 0.0], ["x", "x", "y", "y"]) == 0.0


def test_one_question_per_conversation_gives_the_ordinary_standard_error() -> None:
    # values 1, 2, 3, 6: mean 3, squares 4 + 1 + 0 + 9 = 14; s^2 = 14/3; s / sqrt(4)
    assert clustered_se([1.0, 2.0, 3.0, 6.0], "abcd") == pytest.approx(math.sqrt(14 / 3) / 2)


def test_unscored_values_are_dropped_and_counted() -> None:
    interval = clustered_mean([1.0, None, 0.0, NAN], ["x", "x", "y", "z"])
    assert interval.mean == 0.5
    assert (interval.n, interval.clusters, interval.unscored) == (2, 2, 2)


def test_one_conversation_has_a_mean_and_no_interval() -> None:
    interval = clustered_mean([1.0, 0.0], ["x", "x"])
    assert interval.mean == 0.5
    assert math.isnan(interval.low) and math.isnan(interval.high) and math.isnan(interval.se)
    assert str(interval) == "0.500 [no interval] (n=2, 1 conversation)"


def test_nothing_scored_has_no_mean() -> None:
    interval = clustered_mean([None, NAN], ["x", "y"])
    assert math.isnan(interval.mean)
    assert (interval.n, interval.unscored) == (0, 2)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = list(numpy_rng(0, "values").random(60))
    clusters = [index % 10 for index in range(60)]
    assert clustered_mean(values, clusters, seed=3) == clustered_mean(values, clusters, seed=3)
    assert clustered_mean(values, clusters, seed=3) != clustered_mean(values, clusters, seed=4)


def test_resampled_means_are_over_the_questions_of_whole_conversations() -> None:
    # x has three 1s, y one 0: drawing xx gives 1, yy 0, one of each 3/4 (the mean of the two means would be 1/2)
    means = bootstrap_means(np.array([1.0, 1.0, 1.0, 0.0]), np.array([0, 0, 0, 1]), 2, seed=0, resamples=4_000)
    values, counts = np.unique(means, return_counts=True)
    assert values.tolist() == [0.0, 0.75, 1.0]
    # one quarter, one half, one quarter; the standard error of a share is below 0.008
    assert (counts / 4_000).tolist() == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_equal_conversations_leave_no_doubt_about_the_mean() -> None:
    interval = clustered_mean([1.0, 0.0] * 6, [index // 2 for index in range(12)])
    assert (interval.low, interval.mean, interval.high) == (0.5, 0.5, 0.5)


def test_the_bootstrap_stays_within_the_cluster_means() -> None:
    interval = clustered_mean([0.2, 0.4, 0.9], "abc")
    assert 0.2 <= interval.low < interval.mean < interval.high <= 0.9


def test_the_t_interval_is_the_mean_and_the_quantile_times_the_error() -> None:
    # two clusters of one: mean 0.5, se = sqrt(0.5) / sqrt(2) = 0.5; t(0.975, 1 df) = 12.7062
    interval = clustered_mean([0.0, 1.0], "ab", method="t")
    assert interval.se == pytest.approx(0.5)
    assert (interval.low, interval.high) == pytest.approx((0.5 - 6.3531, 0.5 + 6.3531), abs=1e-4)


@pytest.mark.parametrize(
    # printed tables of Student's t
    ("p", "df", "expected"),
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 6, 2.447),
        (0.975, 9, 2.262),
        (0.95, 10, 1.812),
        (0.995, 30, 2.750),
    ],
)
def test_student_t_quantiles_match_the_printed_tables(p: float, df: int, expected: float) -> None:
    assert student_t_quantile(p, df) == pytest.approx(expected, abs=6e-4)
    assert student_t_cdf(student_t_quantile(p, df), df) == pytest.approx(p, abs=1e-12)


def _coverage(clusters: int, method: str, trials: int = 300) -> float:
    """Share of 95 % intervals that hold the true mean 0, for clusters of 8 with strong shared effects."""
    hits = 0
    names = np.repeat(np.arange(clusters), 8).tolist()
    for trial in range(trials):
        rng = numpy_rng(11, method, clusters, trial)
        values = np.repeat(rng.normal(size=clusters), 8) + rng.normal(size=clusters * 8)
        interval = (
            clustered_mean(values, names, seed=trial, resamples=1_000)
            if method == "bootstrap"
            else clustered_mean(values, names, method="t")
        )
        hits += interval.low <= 0.0 <= interval.high
    return hits / trials


@pytest.mark.parametrize(("clusters", "method"), [(10, "bootstrap"), (10, "t"), (3, "t")])
def test_intervals_cover_the_truth_about_as_often_as_they_say(clusters: int, method: str) -> None:
    # 300 trials at 95 % have a standard error of 1.3 points; an interval over single questions covers ~60 %.
    assert 0.91 <= _coverage(clusters, method) <= 0.99


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clusters": ["x"]}, "one cluster per value is needed, found 2 values and 1 clusters"),
        ({"resamples": 0}, "resamples must be at least 1, found 0"),
        ({"confidence": 95}, "confidence must lie between 0 and 1, found 95"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clustered_mean(**({"values": [0.0, 1.0], "clusters": ["x", "y"]} | arguments))  # pyright: ignore[reportArgumentType]


def test_an_interval_prints_its_size_and_what_was_left_out() -> None:
    interval = Interval(0.47, 0.441, 0.5024, n=158, clusters=10, se=0.015, unscored=3)
    assert str(interval) == "0.470 [0.441, 0.502] (n=158, 10 conversations, 3 unscored)"
