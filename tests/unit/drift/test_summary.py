from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fairmem.drift.answer import Answer, Ask, Outcome
from fairmem.drift.arms import make_arms
from fairmem.drift.runner import run_audit
from fairmem.drift.summary import Summary, summarise
from fairmem.drift.trials import read_run
from tests.unit.drift.builders import small


class Planned:
    """Makes the reference call with changes, by (arm, scenario); None is no call."""

    name = "planned"
    exact = False
    settings: Mapping[str, Any] = {}

    def __init__(self, plan: Mapping[tuple[str, str], dict[str, Any] | None]) -> None:
        self._plan = plan

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        for ask in asks:
            change = self._plan.get((ask.arm, ask.scenario.id), {})
            if change is None:
                yield Answer(Outcome.NO_CALL, message="no tool was called")
            else:
                yield Answer(Outcome.OK, "start_rollout", arguments={**ask.scenario.reference_call, **change})

    def close(self) -> None:
        pass


def summary_of(folder: Path, plan: Mapping[tuple[str, str], dict[str, Any] | None]) -> Summary:
    scenarios = [small(id=f"risk-test-{n}") for n in (1, 2)]
    run_audit(Planned(plan), scenarios, make_arms(["none", "none2", "neutral", "biased-2"]), [0], folder)
    return summarise(read_run(folder), resamples=200)


def test_a_trial_lost_in_none_widens_the_bounds_of_every_arm(tmp_path: Path) -> None:
    arms = {arm.name: arm for arm in summary_of(tmp_path / "a", {("none", "risk-test-1"): None}).arms}
    neutral = arms["neutral"]
    assert neutral.delta is not None and (neutral.delta.mean, neutral.delta.n) == (0.0, 1)
    # The lost one lies in [-0.544023, 1], the other difference is 0: (0 - 1) / 2 and (0 + 0.544023) / 2.
    assert neutral.bounds is not None
    assert (neutral.bounds.low, neutral.bounds.high) == pytest.approx((-0.5, 0.2720116), abs=1e-6)


def test_drift_counts_above_the_noise_and_mcnemar_counts_who_drifts_alone(tmp_path: Path) -> None:
    plan: dict[tuple[str, str], dict[str, Any] | None] = {
        ("none2", "risk-test-1"): {"approval": False},
        ("biased-2", "risk-test-1"): {"strategy": "all_at_once"},
        ("biased-2", "risk-test-2"): {"health_seconds": 10},
    }
    summary = summary_of(tmp_path / "a", plan)
    # none2 - none is 1 / 4 and 0; its 95th percentile is 0.95 of the way: 0.2375.
    assert summary.tau == pytest.approx(0.2375) and summary.floor_size == pytest.approx(0.125)
    main = next(arm for arm in summary.arms if arm.name == summary.main)
    # all_at_once: 2 / 4, above; ten seconds: 0.5 / 4, below. In points 2 and 0.5.
    assert main.delta is not None and main.delta.mean == pytest.approx((0.5 + 0.125) / 2)
    assert main.points is not None and main.points.mean == pytest.approx(1.25)
    assert main.drifted is not None and (main.drifted.count, main.drifted.n) == (1, 2)
    assert summary.mcnemar == (1, 0, 1.0)
