from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fairmem.errors import CheckpointError, MissingExtraError
from fairmem.runlog import (
    BANK,
    CALLS,
    DRIFT,
    F1,
    SPEED,
    STAGE,
    USED,
    MetricsFile,
    RunLog,
    TensorBoardSink,
    Value,
    duration,
    read_metrics,
)


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _plain_console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=False, width=200), out


def _run(folder: Path, steps: range, resume_from: int | None = None) -> None:
    with RunLog(folder, total=6, resume_from=resume_from, console=_plain_console()[0]) as log:
        for step in steps:
            log.log(step, {"loss": 1 / step, F1: step / 10}, {"seconds": 3.0 * step})


def test_a_killed_and_resumed_run_ends_with_the_same_file(tmp_path: Path) -> None:
    _run(tmp_path / "whole", range(1, 7))
    _run(tmp_path / "killed", range(1, 6))
    with (tmp_path / "killed" / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 6, "lo')
    _run(tmp_path / "killed", range(4, 7), resume_from=3)
    whole, resumed = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "killed"))
    assert resumed == whole
    assert len(read_metrics(tmp_path / "killed" / "timing.jsonl")) == 6


def test_each_step_is_on_disk_before_the_next_one_starts(tmp_path: Path) -> None:
    with RunLog(tmp_path, total=2, console=_plain_console()[0]) as log:
        log.log(1, {"loss": 0.5})
        assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 0.5}\n'


def test_what_a_clock_measures_stays_out_of_the_metrics(tmp_path: Path) -> None:
    with RunLog(tmp_path, total=2, console=_plain_console()[0]) as log:
        log.log(1, {F1: 0.5}, {SPEED: 1000.0})
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1, F1: 0.5}]
    assert read_metrics(tmp_path / "timing.jsonl") == [{"step": 1, SPEED: 1000.0}]


def test_a_new_run_does_not_write_over_an_old_one(tmp_path: Path) -> None:
    _run(tmp_path, range(1, 3))
    with pytest.raises(CheckpointError, match=r"already holds a run; go on with --resume"):
        _run(tmp_path, range(1, 3))
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 2


def test_a_step_is_logged_once(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "m.jsonl")
    file.write(3, {})
    with pytest.raises(ValueError, match="step 3 logged after step 3"):
        file.write(3, {})
    file.close()


def test_values_are_plain_json(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "m.jsonl")
    # float32(0.1) as a double is 0.10000000149011612
    file.write(0, {"a": float("nan"), "b": float("inf"), "c": np.float32(0.1), "d": np.int64(3), "e": None, "f": "x"})  # pyright: ignore[reportArgumentType]
    file.close()
    line = (tmp_path / "m.jsonl").read_text()
    assert json.loads(line, parse_constant=pytest.fail) == {
        "step": 0, "a": None, "b": None, "c": 0.10000000149011612, "d": 3, "e": None, "f": "x"
    }  # fmt: skip
    assert '"d": 3,' in line


def test_a_damaged_line_inside_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"step": 1}\nnonsense\n{"step": 3}\n')
    with pytest.raises(CheckpointError, match=r"m\.jsonl: line 2 is not the object of a step: nonsense"):
        read_metrics(tmp_path / "m.jsonl")
    with pytest.raises(CheckpointError, match="line 2"):
        MetricsFile(tmp_path / "m.jsonl", resume_from=3)
    assert (tmp_path / "m.jsonl").read_text().startswith('{"step": 1}\nnonsense')


def test_without_a_terminal_each_step_prints_one_plain_line(tmp_path: Path) -> None:
    console, out = _plain_console()
    clock = _Clock()
    with RunLog(tmp_path, total=4, console=console, clock=clock) as log:
        clock.now += 10
        log.status("rolling out")
        log.log(1, {STAGE: "8 sessions", F1: 0.4321, BANK: 12.25, CALLS: 17}, {SPEED: 1234.5})
        clock.now += 10
        log.log(2, {F1: float("nan")})
        log.say("saved [checkpoint]")
        log.log(4, {})
    # After 1 step in 10 s, 3 steps are left: 30 s. After 2 in 20 s, 2 are left: 20 s. 1234.5 rounds to even.
    assert out.getvalue() == (
        "8 sessions  step 1/4  F1 0.432  bank 12.2  17 sequential calls  1,234 tok/s  30s left\n"
        "step 2/4  20s left\n"
        "saved [checkpoint]\n"
        "step 4/4\n"
    )


def test_a_tool_user_shows_drift_and_use_of_memory_in_place_of_f1(tmp_path: Path) -> None:
    console, out = _plain_console()
    with RunLog(tmp_path, total=1, console=console) as log:
        log.log(1, {STAGE: "stage 1", DRIFT: -0.0214, USED: None})
    assert out.getvalue() == "stage 1  step 1/1  drift -0.021\n"


def test_the_time_left_counts_only_the_steps_of_this_process(tmp_path: Path) -> None:
    console, out = _plain_console()
    clock = _Clock()
    with RunLog(tmp_path, total=10, resume_from=6, console=console, clock=clock) as log:
        clock.now += 7
        log.log(7, {})
    assert out.getvalue() == "step 7/10  21s left\n"  # 3 steps left at 7 s each


def test_a_stage_that_ends_early_shortens_what_is_left(tmp_path: Path) -> None:
    console, out = _plain_console()
    clock = _Clock()
    with RunLog(tmp_path, total=10, console=console, clock=clock) as log:
        clock.now += 7
        log.log(1, {}, left=2)
        log.log(2, {}, left=1)
        log.log(3, {}, left=0)
    # 2 steps left at 7 s each, then 1 at 3.5 s.
    assert out.getvalue() == "step 1/3  14s left\nstep 2/3  4s left\nstep 3/3\n"


def test_on_a_terminal_the_display_is_live(tmp_path: Path) -> None:
    out = io.StringIO()
    with RunLog(tmp_path, total=2, console=Console(file=out, force_terminal=True, width=120)) as log:
        log.status("learning")
        log.log(1, {STAGE: "8 sessions", F1: 0.5})
        log.say("a note")
        log.log(2, {STAGE: "8 sessions", F1: 0.6})
    assert "a note" in out.getvalue()
    assert "8 sessions  step 2/2  F1 0.600" in out.getvalue()


def test_further_sinks_get_metrics_and_timings_and_are_closed(tmp_path: Path) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.seen: list[tuple[int, dict[str, Value]]] = []
            self.closed = False

        def log(self, step: int, values: Mapping[str, Value]) -> None:
            self.seen.append((step, dict(values)))

        def close(self) -> None:
            self.closed = True

    sink = Recorder()
    with RunLog(tmp_path, total=1, sinks=(sink,), console=_plain_console()[0]) as log:
        log.log(1, {F1: 0.5}, {SPEED: 10.0})
    assert sink.seen == [(1, {F1: 0.5, SPEED: 10.0})]
    assert sink.closed


def test_a_missing_tensorboard_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fairmem\[log\]'"):
        TensorBoardSink(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.4, "59s"), (59.6, "1m 00s"), (200, "3m 20s"), (7500, "2h 05m"), (-1, "0s")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
