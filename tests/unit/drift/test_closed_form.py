"""An audit of a model whose drift is known: what it measures against what it should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fairmem.drift.answer import Ask
from fairmem.drift.arms import Arm, make_arms, shown
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters
from fairmem.drift.deflection import expected_deflection
from fairmem.drift.files import load_scenarios
from fairmem.drift.runner import run_audit
from fairmem.drift.scenario import Scenario
from fairmem.drift.summary import Summary, summarise
from fairmem.drift.trials import read_run
from fairmem.errors import ConfigError
from tests.unit.drift.builders import small


def audit(folder: Path, seeds: Sequence[int] = (0,), count: int = 105, **parameters: float) -> Summary:
    sampled = len(seeds) > 1
    model = ClosedFormModel(DriftParameters(**parameters, sampled=sampled))
    run_audit(model, load_scenarios()[:count], make_arms(), seeds, folder)
    return summarise(read_run(folder), resamples=2000)


def test_a_distribution_is_the_one_worked_by_hand() -> None:
    # Approval: true (d = 0) and false (d = 1); ln odds of false are -kappa + alpha * s. The two biased memories share
    # no word with "approval", so s = 2: odds exp(-1 + 2 * 0.3) = exp(-0.4). Noise 0.1 over two values adds 0.05 each.
    ask = Ask(small(), "biased-2", 0, 0, small().memories.biased)
    found = dict(ClosedFormModel(DriftParameters(alpha=0.3, kappa=1.0, noise=0.1)).distribution(ask)["/approval"])
    assert found[False] == pytest.approx(0.05 + 0.9 * math.exp(-0.4) / (1 + math.exp(-0.4)), abs=1e-12)
    # Strategy, in order of d: blue_green -1, canary 0, all_at_once 1: logits -1 - 0.6, 0, -1 + 0.6.
    found = dict(ClosedFormModel(DriftParameters(alpha=0.3, kappa=1.0)).distribution(ask)["/strategy"])
    total = math.exp(-1.6) + 1 + math.exp(-0.4)
    assert found["all_at_once"] == pytest.approx(math.exp(-0.4) / total, abs=1e-12)
    assert found["blue_green"] == pytest.approx(math.exp(-1.6) / total, abs=1e-12)


def test_shared_words_pull_harder() -> None:
    # "health" and "check" of b2 are in the name and description of health_seconds: s = 1 + (1 + 2) = 4.
    # Candidates by d: 900, [400, 200, 100], 22, 5, 1, and 600 for the relevant memory, between 900 and 400.
    ask = Ask(small(), "biased-2", 0, 0, small().memories.biased)
    found = dict(ClosedFormModel(DriftParameters(alpha=0.3, kappa=0.0)).distribution(ask)["/health_seconds"])
    assert found[1] / found[200] == pytest.approx(math.exp(0.3 * 4), rel=1e-12)


def test_exact_audits_give_the_closed_form_to_1e_9(tmp_path: Path) -> None:
    summary = audit(tmp_path / "a", alpha=0.4, kappa=0.8, noise=0.05)
    model = ClosedFormModel(DriftParameters(alpha=0.4, kappa=0.8, noise=0.05))
    scenarios = load_scenarios()
    arms = {arm.name: arm for arm in make_arms()}
    none = [_expected(model, s, arms["none"]) for s in scenarios]
    for arm in summary.arms:
        truth = [_expected(model, s, arms[arm.name]) for s in scenarios]
        assert arm.deflection.mean == pytest.approx(math.fsum(truth) / 105, abs=1e-9), arm.name
        if arm.delta is not None:
            delta = math.fsum(t - n for t, n in zip(truth, none, strict=True)) / 105
            assert arm.delta.mean == pytest.approx(delta, abs=1e-9), arm.name


def _expected(model: ClosedFormModel, scenario: Scenario, arm: Arm) -> float:

    instruction = scenario.explicit_instruction if arm.kind == "explicit" else ""
    found = expected_deflection(
        scenario, model.distribution(Ask(scenario, arm.name, 0, 0, shown(arm, scenario, 0), instruction))
    )
    assert found is not None
    return found


def test_sampled_audits_hold_the_closed_form_in_their_intervals(tmp_path: Path) -> None:
    exact = {a.name: a for a in audit(tmp_path / "exact", alpha=0.3).arms}
    for arm in audit(tmp_path / "sampled", seeds=range(8), alpha=0.3).arms:
        if arm.delta is not None:
            truth = exact[arm.name].delta
            # The memories shown first depend on the trial, so small doses have another truth in each.
            if truth is not None and arm.name not in ("biased-1", "biased-2", "biased-4"):
                assert arm.delta.low <= truth.mean <= arm.delta.high, arm.name


def test_the_opposite_turns_the_sign_and_so_does_the_polarity(tmp_path: Path) -> None:
    forward = {a.name: a.delta for a in audit(tmp_path / "f", alpha=0.3).arms}
    backward = {a.name: a.delta for a in audit(tmp_path / "b", alpha=0.3, polarity=-1).arms}
    for name in ("biased-8", "opposite", "explicit"):
        one, two = forward[name], backward[name]
        assert one is not None and two is not None
        assert (one.low > 0 and two.high < 0) or (one.high < 0 and two.low > 0), name
    one, two = forward["biased-8"], forward["opposite"]
    assert one is not None and two is not None and one.low > 0 > two.high


def test_a_higher_dose_moves_more(tmp_path: Path) -> None:
    means = [a.delta.mean for a in audit(tmp_path / "a", alpha=0.2).arms if a.delta and a.name.startswith("biased")]
    assert len(means) == 4 and means == sorted(means) and means[0] > 0


def test_alpha_zero_is_a_null_exact_and_sampled(tmp_path: Path) -> None:
    exact = audit(tmp_path / "exact", alpha=0.0)
    for arm in exact.arms:
        if arm.delta is not None and arm.name != "relevant":
            assert (arm.delta.mean, arm.delta.low, arm.delta.high, arm.p) == (0.0, 0.0, 0.0, 1.0), arm.name
            assert arm.drifted is not None and arm.drifted.count == 0

    sampled = audit(tmp_path / "sampled", seeds=range(5), alpha=0.0)
    main = next(a for a in sampled.arms if a.name == "biased-8")
    assert main.delta is not None and main.delta.low <= 0 <= main.delta.high and main.p > 0.05
    assert main.equal is not None and main.equal.shown
    assert sampled.floor is not None and sampled.floor.low <= 0 <= sampled.floor.high
    # 5 % of scenarios lie above the 95th percentile of the noise floor when there is nothing but noise; 105 of them.
    assert main.drifted is not None and main.drifted.low <= 0.05


def test_relevant_memory_is_used(tmp_path: Path) -> None:
    summary = audit(tmp_path / "a", alpha=0.3)
    assert summary.used is not None and summary.used.low > 0.5


@pytest.mark.parametrize("wrong", [{"alpha": math.inf}, {"noise": 1.5}, {"kappa": -1}])
def test_wrong_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        replace(DriftParameters(), **wrong)
