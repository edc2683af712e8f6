from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from fairmem.lab.bench import Bench, Credited, Sample
from fairmem.lab.exact import solve
from fairmem.lab.measures import RATIOS, jackknife, measure, parts_of, versus
from fairmem.lab.play import Decisions
from tests.unit.lab.build import bench_of, fact_then_change, uniform


def test_a_ratio_of_sums_has_the_jackknife_s_interval() -> None:
    # Sums 6 and 12: 0.5. Without each: 5/9, 4/8, 3/7; mean 0.494709. Squared distances 0.003702, 0.000028, 0.004374;
    # their sum 0.008104 times 2/3 is 0.005403, its root 0.073503; t with 2 degrees of freedom is 4.302653.
    found = jackknife(np.array([[1.0, 3.0], [2.0, 4.0], [3.0, 5.0]]))
    assert found.value == 0.5
    assert found.low == pytest.approx(0.5 - 4.302653 * 0.073503, abs=1e-4)
    assert found.high == pytest.approx(0.5 + 4.302653 * 0.073503, abs=1e-4)


def test_the_jackknife_of_equal_denominators_is_the_t_interval_of_a_mean() -> None:
    # 1, 2, 3: mean 2, standard error 1 / sqrt(3).
    found = jackknife(np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]))
    assert (found.value, found.high) == (2.0, pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-5))


def test_a_ratio_of_ratios_and_what_cannot_be_divided() -> None:
    # (6 / 3) / (4 / 8) = 4.
    assert jackknife(np.array([[2.0, 1.0, 1.0, 4.0], [4.0, 2.0, 3.0, 4.0]])).value == 4.0
    one = jackknife(np.array([[1.0, 2.0]]))
    assert one.value == 0.5 and math.isnan(one.low) and math.isnan(one.high)
    assert math.isnan(jackknife(np.zeros((3, 2))).value)


def first_decisions(credits_N: list[float], ops_N: list[int], estimates: int) -> tuple[Bench, Sample]:
    """One decision per column on the fact that changes, with these credits."""
    bench = Bench(solve(fact_then_change(), uniform()), estimates, 80, 0, ("x",))
    n = len(ops_N)
    advantages = bench.values.advantages(np.zeros(1, dtype=np.uint8), 0)[ops_N]
    zeros = np.zeros((1, n), dtype=np.uint8)
    decisions = Decisions(zeros, zeros, np.array([ops_N], dtype=np.uint8), advantages[None], np.zeros((1, n)))
    credited = Credited(decisions, np.array([credits_N]), np.arange(n) % estimates)
    return bench, Sample((credited,), 50.0, 3.0)


def test_the_parts_of_two_estimates_worked_by_hand() -> None:
    # Two estimates: ADD (which is worth -0.01875) with credit -4, and ADD with credit -8.
    bench, sample = first_decisions([-4.0, -8.0], [1, 1], 2)
    parts = parts_of(bench, sample)
    # d log pi = (-1/4, 3/4, -1/4, -1/4), of squared length 3/4; h1 = -4 of it, h2 = -8. Mean -6, variance 8 of it.
    assert parts["noise"] == pytest.approx(8 * 0.75)
    # |m|^2 = 36 * 3/4 less noise / 2.
    assert parts["signal"] == pytest.approx(27 - 3)
    # Along u = g / |g|: the part of g at this feature is (1, -3, 1, 1) * 0.0015625, i.e. -0.00625 of d log pi, so each
    # h lies along g by |h| times the share of g at this feature.
    gradient = bench.values.gradient_F_A
    share = np.linalg.norm(gradient[0]) / np.linalg.norm(gradient)
    assert parts["along_squared"] == pytest.approx((36 - 4) * 0.75 * share**2)
    assert parts["cosine"] == pytest.approx(share)
    assert parts["across"] == pytest.approx(24 - 24 * share**2)
    # 50 decisions of 20 tokens are one kilotoken.
    assert (parts["tokens"], parts["questions"], parts["noise_kilotokens"]) == (1000, 3.0, parts["noise"])
    assert measure([parts], "snr").value == pytest.approx(24 * share**2 / 6)
    assert measure([parts], "bias").value == pytest.approx(math.sqrt(1 - share**2))
    assert measure([parts], "variance").value == pytest.approx(6 / 24)


def test_an_estimate_that_leads_away_has_negative_snr_and_full_bias() -> None:
    parts = parts_of(*first_decisions([4.0, 8.0], [1, 1], 2))
    assert measure([parts], "snr").value < 0 and measure([parts], "cosine").value < 0
    assert measure([parts], "bias").value == 1.0


def test_signs_agree_with_the_exact_advantage() -> None:
    # Exact: NOOP 0.00625, ADD -0.01875. Right, wrong, no credit (half right), wrong: 1.5 of 4.
    parts = parts_of(*first_decisions([1.0, 1.0, 0.0, -1.0], [0, 1, 1, 0], 2))
    assert measure([parts], "sign").value == pytest.approx(1.5 / 4)
    # By size: 0.00625 + 0.01875 / 2 of 2 * 0.00625 + 2 * 0.01875.
    assert measure([parts], "sign_weighted").value == pytest.approx(0.015625 / 0.05)


def test_snr_per_token_does_not_depend_on_the_length_of_credit_and_grows_with_fewer_tokens() -> None:
    bench, sample = first_decisions([-4.0, -8.0], [1, 1], 2)
    (rows,) = sample.credited
    longer = Sample((rows._replace(credit=7 * rows.credit),), 50.0, 3.0)
    parts = [parts_of(bench, given) for given in (sample, longer, replace(sample, decisions=25.0))]
    for name in RATIOS:
        if name != "snr_per_kilotoken":
            assert measure(parts[:1], name).value == pytest.approx(measure(parts[1:2], name).value)
    assert versus(parts[1:2], parts[:1]).value == pytest.approx(1.0)
    assert versus(parts[2:], parts[:1]).value == pytest.approx(2.0)


def test_more_rollouts_are_worth_no_more_per_token() -> None:
    # The exact advantages of independent rollouts: four times the rollouts, a quarter of the noise.
    found: list[float] = []
    for rollouts in (4, 16):
        bench = bench_of(8, estimates=600, rollouts=rollouts)
        rows = Credited(bench.rollouts.decisions, bench.rollouts.decisions.advantages, bench.estimate_N)
        parts = parts_of(bench, Sample((rows,), rollouts * bench.decisions, 0.0))
        found.append(measure([parts], "snr_per_kilotoken").value)
    assert found[1] == pytest.approx(found[0], rel=0.1)
