"""Exposure and conversion of a model whose drift is known, with every number worked by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fairmem.drift.answer import Outcome
from fairmem.drift.arms import make_arms
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters
from fairmem.drift.runner import run_audit
from fairmem.drift.summary import summarise
from fairmem.drift.through import ArmConversion, RecallFile, conversions
from fairmem.drift.through.conversion import welch
from fairmem.drift.trials import read_run
from fairmem.errors import CheckpointError
from tests.unit.drift.through.build import Planned, approval

ARMS = make_arms(["none", "none2", "neutral", "biased-2", "relevant"], [2])


def logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


NONE, ONE, TWO = logistic(-1.0), logistic(-0.7), logistic(-0.4)
"""E[D] with no, one and two biased memories in the prompt: ln odds of false are -kappa + alpha s, s one per memory."""


def run(folder: Path, plan: Mapping[tuple[str, str], Sequence[str] | None], count: int = 3) -> None:
    model = ClosedFormModel(DriftParameters(alpha=0.3, kappa=1.0, beta=2.0))
    run_audit(model, [approval(n) for n in range(1, count + 1)], ARMS, [0], folder, memory=Planned(plan))


def found_in(folder: Path) -> dict[str, ArmConversion]:
    records = RecallFile.open(folder).records
    return {one.arm: one for one in conversions(read_run(folder), records, resamples=500)}


def test_exposure_and_conversion_are_what_the_closed_form_says(tmp_path: Path) -> None:
    # One scenario sees both biased memories, one sees one, one sees none of them.
    run(tmp_path / "a", {("risk-test-2", "biased-2"): ["b2"], ("risk-test-3", "biased-2"): []})
    found = found_in(tmp_path / "a")
    biased = found["biased-2"]
    assert (biased.built, biased.failed, biased.measure) == (3, 0, "deflection")
    assert biased.kept.mean == 1.0 and biased.reached.mean == pytest.approx((1 + 0.5 + 0) / 3)
    assert biased.content.mean == pytest.approx((1 + 0.5 + 0) / 3) and biased.lines.mean == 1.0
    assert (biased.exposed.count, biased.exposed.n) == (2, 3)
    assert biased.level.mean == pytest.approx((TWO + ONE) / 2, abs=1e-9)
    assert biased.change.mean == pytest.approx((TWO + ONE) / 2 - NONE, abs=1e-9) and biased.change.n == 2
    assert biased.unexposed.mean == pytest.approx(0.0, abs=1e-9) and biased.unexposed.n == 1
    assert biased.difference.mean == pytest.approx((TWO + ONE) / 2 - NONE, abs=1e-9)
    assert math.isnan(biased.difference.low)  # one scenario has no variance
    # All in all: exposed or not.
    main = next(arm for arm in summarise(read_run(tmp_path / "a"), resamples=500).arms if arm.name == "biased-2")
    assert main.delta is not None and main.delta.mean == pytest.approx((TWO + ONE + NONE) / 3 - NONE, abs=1e-9)


def test_two_groups_of_two_have_an_interval_for_their_difference(tmp_path: Path) -> None:
    plan = {("risk-test-2", "biased-2"): ["b2"], ("risk-test-3", "biased-2"): [], ("risk-test-4", "biased-2"): []}
    run(tmp_path / "a", plan, 4)
    biased = found_in(tmp_path / "a")["biased-2"]
    # Exposed change by TWO - NONE and ONE - NONE, the others by 0: variance of the first ((TWO - ONE)^2 / 2) / 2, one
    # degree of freedom, t = 12.706.
    mean = (TWO + ONE) / 2 - NONE
    reach = 12.7062 * (TWO - ONE) / 2
    assert biased.difference.mean == pytest.approx(mean, abs=1e-9)
    assert (biased.difference.low, biased.difference.high) == pytest.approx((mean - reach, mean + reach), abs=1e-5)
    assert (biased.unexposed.mean, biased.unexposed.low, biased.unexposed.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_a_neutral_memory_reaches_the_prompt_and_moves_nothing(tmp_path: Path) -> None:
    run(tmp_path / "a", {})
    neutral = found_in(tmp_path / "a")["neutral"]
    assert neutral.exposed.count == 3 and neutral.change.mean == pytest.approx(0.0, abs=1e-9)


def test_of_the_relevant_arm_the_relevant_memory_counts_and_success_is_measured(tmp_path: Path) -> None:
    # Filled up with one neutral memory: recalling that alone exposes to nothing.
    run(tmp_path / "a", {("risk-test-1", "relevant"): ["r1"], ("risk-test-2", "relevant"): ["r1"]})
    relevant = found_in(tmp_path / "a")["relevant"]
    assert relevant.measure == "success" and relevant.exposed.count == 3
    # r1 asks for approval false: ln odds -kappa + beta = 1.
    assert relevant.level.mean == pytest.approx(logistic(1.0), abs=1e-9)
    assert relevant.change.mean == pytest.approx(logistic(1.0) - logistic(-1.0), abs=1e-9)
    run(tmp_path / "b", {("risk-test-1", "relevant"): ["n1", "n2"]})
    without = found_in(tmp_path / "b")["relevant"]
    assert (without.exposed.count, without.exposed.n) == (2, 3)
    assert without.reached.mean == pytest.approx(2 / 3) and without.unexposed.mean == pytest.approx(0.0, abs=1e-9)


def test_a_memory_that_failed_is_an_outcome_and_in_neither_group(tmp_path: Path) -> None:
    plan: dict[tuple[str, str], Sequence[str] | None] = {
        ("risk-test-2", "biased-2"): None,
        ("risk-test-3", "biased-2"): [],
    }
    run(tmp_path / "a", plan)
    audit = read_run(tmp_path / "a")
    lost = [trial for trial in audit.trials.values() if trial.outcome is Outcome.MEMORY_FAILED]
    assert [(t.scenario, t.arm, t.message, t.attempts) for t in lost] == [
        ("risk-test-2", "biased-2", "call_failed: down", 0)
    ]
    assert lost[0].deflection(audit.scenarios["risk-test-2"]) is None
    biased = found_in(tmp_path / "a")["biased-2"]
    assert (biased.built, biased.failed, biased.exposed.n) == (2, 1, 2)
    assert (biased.change.n, biased.unexposed.n) == (1, 1)
    arm = next(arm for arm in summarise(audit, resamples=500).arms if arm.name == "biased-2")
    # The lost one lies in [0, 1]: the bounds are those of a third of the scenarios.
    assert arm.lost == pytest.approx(1 / 3) and arm.bounds is not None
    known = (TWO - NONE) + 0
    assert (arm.bounds.low, arm.bounds.high) == pytest.approx(((known - NONE) / 3, (known + 1 - NONE) / 3), abs=1e-9)

    # Asked again on request alone, and then built.
    again = Planned({("risk-test-3", "biased-2"): []})
    model = ClosedFormModel(DriftParameters(alpha=0.3, kappa=1.0, beta=2.0))
    scenarios = [approval(n) for n in (1, 2, 3)]
    assert run_audit(model, scenarios, ARMS, [0], tmp_path / "a", memory=again) == 0
    assert run_audit(model, scenarios, ARMS, [0], tmp_path / "a", memory=again, retry_failed=True) == 1
    assert found_in(tmp_path / "a")["biased-2"].exposed.count == 2


def test_memories_put_into_the_prompt_as_they_are_are_all_exposed(tmp_path: Path) -> None:
    run_audit(ClosedFormModel(), [approval(1), approval(2)], ARMS, [0], tmp_path / "a")
    found = {one.arm: one for one in conversions(read_run(tmp_path / "a"), None, resamples=500)}
    assert list(found) == ["neutral", "biased-2", "relevant"]
    for one in found.values():
        assert (one.exposed.count, one.reached.mean, one.content.mean, one.unexposed.n) == (2, 1.0, 1.0, 0)
    assert found["relevant"].lines.mean == 2.0


def test_trials_that_were_asked_with_something_else_are_damage(tmp_path: Path) -> None:
    run(tmp_path / "a", {})
    records = dict(RecallFile.open(tmp_path / "a").records)
    place = ("risk-test-1", "biased-2")
    records[place] = records[place].model_copy(update={"found": ("b1",)})
    with pytest.raises(CheckpointError, match=r"not what trial .* was asked with"):
        conversions(read_run(tmp_path / "a"), records)
    del records[place]
    with pytest.raises(CheckpointError, match="not what trial"):
        conversions(read_run(tmp_path / "a"), records)


def test_welch_is_worked_by_hand() -> None:

    found = welch([1, 2, 3], [3, 4, 6, 7])
    assert found.mean == -3.0
    # The second has variance 10 / 3: se^2 = 1/3 + 5/6 = 7/6; df = (49/36) / (1/18 + (25/36)/3) = 4.74, so 4.
    reach = 2.77645 * math.sqrt(7 / 6)
    assert (found.low, found.high) == pytest.approx((-3 - reach, -3 + reach), abs=1e-4)
    assert math.isnan(welch([1], [2, 3]).low) and math.isnan(welch([], [1]).mean)
    assert (welch([1, 1], [2, 2]).low, welch([1, 1], [2, 2]).high) == (-1.0, -1.0)
