from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.config import Recipe, StageConfig
from fairmem.eval.runs import Change, StageSummary, read_run, recipe_changes, stages_of, timing_of, totals, trends
from tests.unit.eval.build import run_folder


def test_the_recipe_is_told_by_what_differs_from_the_defaults() -> None:
    assert recipe_changes(Recipe(name="other")) == []
    stages = (StageConfig(), StageConfig(sessions=16, steps=24, global_group=4))
    assert recipe_changes(Recipe(seed=7, stages=stages)) == [
        Change("seed", "0", "7"),
        Change("stages.1.sessions", None, "16"),
        Change("stages.1.steps", None, "24"),
        Change("stages.1.counts", None, '"trained"'),
        Change("stages.1.global_group", None, "4"),
    ]


def test_trends_take_as_many_steps_at_each_end_as_fit_up_to_five() -> None:
    rows = [{"step": i, "f1": float(i)} for i in range(1, 13)]
    window, (f1,) = trends(rows)
    # First five: 1..5, mean 3; last five: 8..12, mean 10.
    assert (window, f1.first, f1.last) == (5, 3.0, 10.0)
    window, (f1,) = trends(rows[:1])
    assert (window, f1.first, f1.last) == (1, 1.0, 1.0)
    assert trends([]) == (1, [])


def test_a_metric_logged_in_few_steps_is_not_averaged_into_one_number() -> None:
    rows = [{"step": i, "val_f1": float(i)} if i % 6 == 0 else {"step": i} for i in range(1, 25)]
    # Values at steps 6, 12, 18, 24: two at each end.
    _, (val,) = trends(rows)
    assert (val.first, val.last) == (9.0, 21.0)


def test_values_that_are_no_numbers_are_passed_over() -> None:
    rows = [{"step": 1, "f1": None, "global_groups": 3}, {"step": 2, "f1": "x"}, {"step": 3, "f1": True}]
    assert trends(rows) == (1, [])
    assert totals(rows) == {"global_groups": 3}


def test_speed_is_tokens_over_all_seconds_and_efficiency_is_weighed_by_them() -> None:
    rows = [
        {"step": 1, "seconds": 4.0, "rollout_seconds": 1.0, "generated_tokens": 100, "rollout_efficiency": 0.4},
        {"step": 2, "seconds": 6.0, "rollout_seconds": 3.0, "generated_tokens": 700, "rollout_efficiency": 0.8},
    ]
    timing = timing_of(rows)
    # 800 tokens in 4 s of rollout, 10 s in all; (0.4 * 1 + 0.8 * 3) / 4 = 0.7.
    assert (timing.effective, timing.overall, timing.generated) == (200.0, 80.0, 800)
    assert timing.efficiency == pytest.approx(0.7)
    assert timing.learn is None


def test_without_token_counts_the_logged_speed_is_averaged() -> None:
    timing = timing_of([{"step": 1, "tokens_per_second": 100.0}, {"step": 2, "tokens_per_second": 300.0}])
    assert (timing.effective, timing.overall, timing.seconds) == (200.0, None, None)
    assert timing_of([]).effective is None


def test_a_torn_last_line_of_a_killed_run_is_left_out(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", None, None, steps=2)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "f1"')
    assert read_run(folder).steps == 2


def test_stages_are_told_by_their_best_f1_their_last_m_fail_and_how_they_ended() -> None:
    rows = [
        {"step": 1, "stage": "stage 1 (8 sessions)", "val_f1": 0.4, "val_m_fail": 0.3},
        {"step": 2, "stage": "stage 1 (8 sessions)", "val_f1": 0.3, "val_m_fail": 0.08, "stage_end": "promoted"},
        {"step": 3, "stage": "stage 2 (16 sessions)"},
    ]
    assert stages_of(rows) == [
        StageSummary("stage 1 (8 sessions)", 2, 0.4, 0.08, "promoted"),
        StageSummary("stage 2 (16 sessions)", 1, None, None, ""),
    ]
    assert stages_of([]) == []
