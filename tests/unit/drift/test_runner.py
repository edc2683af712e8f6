from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fairmem.drift.answer import Answer, Ask, Outcome
from fairmem.drift.arms import make_arms
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters
from fairmem.drift.files import load_scenarios
from fairmem.drift.report import report_audit
from fairmem.drift.runner import plan, run_audit
from fairmem.drift.trials import TRIALS, read_run
from fairmem.errors import CheckpointError, ConfigError

SCENARIOS = load_scenarios()[:6]
ARMS = make_arms(doses=[2, 8])


class Killed(RuntimeError):
    """Stands for a kill in the middle of a run."""


class Counting:
    """A sampled closed-form model that counts what it is asked, and can be killed or fail."""

    exact = False

    def __init__(self, kill_after: int | None = None, failing: bool = False) -> None:
        self._model = ClosedFormModel(DriftParameters(alpha=0.3, sampled=True))
        self.name = self._model.name
        self.settings: Mapping[str, Any] = self._model.settings
        self.asked = 0
        self._kill_after = kill_after
        self._failing = failing

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        for ask, answer in zip(asks, self._model.answer(asks), strict=True):
            if self.asked == self._kill_after:
                raise Killed
            self.asked += 1
            yield Answer(Outcome.CALL_FAILED, message="down") if self._failing and ask.arm == "none2" else answer

    def close(self) -> None:
        pass


def test_all_arms_of_a_trial_follow_each_other() -> None:
    asks = list(plan(SCENARIOS, ARMS, [0, 1]))
    assert [ask.arm for ask in asks[: len(ARMS)]] == [arm.name for arm in ARMS]
    assert len({ask.scenario.id for ask in asks[: len(ARMS)]}) == 1
    assert len(asks) == 2 * 6 * len(ARMS)
    assert [ask.instruction != "" for ask in asks[: len(ARMS)]] == [arm.kind == "explicit" for arm in ARMS]


def test_a_killed_run_goes_on_and_ends_with_the_same_report(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    run_audit(Counting(), SCENARIOS, ARMS, [0, 1, 2], whole)

    with pytest.raises(Killed):
        run_audit(Counting(kill_after=57), SCENARIOS, ARMS, [0, 1, 2], torn)
    with (torn / TRIALS).open("a") as file:
        file.write('{"scenario": "torn')
    assert "INCOMPLETE: 57 of 144 trials" in report_audit(torn)

    again = Counting()
    assert run_audit(again, SCENARIOS, ARMS, [0, 1, 2], torn) == 144 - 57 == again.asked
    assert (torn / TRIALS).read_bytes() == (whole / TRIALS).read_bytes()
    report_audit(whole)
    report_audit(torn)
    for name in ("report.json", "report.md", "report.html"):
        assert (torn / name).read_bytes() == (whole / name).read_bytes()

    idle = Counting()
    assert run_audit(idle, SCENARIOS, ARMS, [0, 1, 2], torn) == 0 == idle.asked


def test_failed_calls_are_kept_as_outcomes_and_asked_again_only_on_request(tmp_path: Path) -> None:
    run_audit(Counting(failing=True), SCENARIOS, ARMS, [0], tmp_path / "a")
    run = read_run(tmp_path / "a")
    lost = [trial for trial in run.trials.values() if trial.outcome is Outcome.CALL_FAILED]
    assert len(lost) == 6 and all(trial.deflection(run.scenarios[trial.scenario]) is None for trial in lost)

    assert run_audit(Counting(), SCENARIOS, ARMS, [0], tmp_path / "a") == 0
    assert run_audit(Counting(), SCENARIOS, ARMS, [0], tmp_path / "a", retry_failed=True) == 6
    assert all(trial.outcome is Outcome.OK for trial in read_run(tmp_path / "a").trials.values())


def test_a_folder_goes_on_only_with_the_same_run(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    run_audit(Counting(), SCENARIOS, ARMS, [0], folder)
    for scenarios, arms, seeds in ((SCENARIOS[:5], ARMS, [0]), (SCENARIOS, ARMS[:3], [0]), (SCENARIOS, ARMS, [1])):
        with pytest.raises(ConfigError, match="choose another --out"):
            run_audit(Counting(), scenarios, arms, seeds, folder)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "diary.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not the folder of a drift run"):
        run_audit(Counting(), SCENARIOS, ARMS, [0], tmp_path / "b")
    with pytest.raises(ConfigError, match="every seed once"):
        run_audit(Counting(), SCENARIOS, ARMS, [1, 1], tmp_path / "c")


def test_an_exact_model_is_asked_once_per_arm(tmp_path: Path) -> None:
    assert run_audit(ClosedFormModel(), SCENARIOS, ARMS, [4, 5, 6], tmp_path / "a") == 6 * len(ARMS)
    assert read_run(tmp_path / "a").header.seeds == (4,)


def test_damage_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    run_audit(Counting(), SCENARIOS, ARMS, [0], folder)
    lines = (folder / TRIALS).read_text().splitlines(keepends=True)
    (folder / TRIALS).write_text("".join([lines[0], "{}\n", *lines[1:]]))
    with pytest.raises(CheckpointError, match=r"trials\.jsonl: line 2 is damaged"):
        read_run(folder)
    foreign = json.loads(lines[0]) | {"scenario": "other"}
    (folder / TRIALS).write_text(json.dumps(foreign) + "\n")
    with pytest.raises(CheckpointError, match="no trial of this run"):
        read_run(folder)
    (folder / TRIALS).write_text("")
    text = (folder / "scenarios.jsonl").read_text()
    (folder / "scenarios.jsonl").write_text(text.replace("You ", "You always ", 1))
    with pytest.raises(CheckpointError, match="changed after the run began"):
        read_run(folder)
    (folder / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"run\.json is damaged"):
        read_run(folder)
    with pytest.raises(ConfigError, match="not the folder of a drift run"):
        read_run(tmp_path)
