from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from fairmem.eval.plots import HeldOut, drawable, learning_curve
from fairmem.metrics import Interval

STEPS: list[dict[str, Any]] = [{"step": i, "stage": "a", "f1": 0.1 * i, "kl": None, "val_f1": 0.5} for i in range(1, 4)]


def test_only_metrics_that_are_there_get_a_panel() -> None:
    svg = learning_curve(STEPS)
    assert "F1 of training rollouts" in svg
    assert "KL to the reference" not in svg and "Entries per memory" not in svg


def test_nothing_to_draw_draws_nothing(tmp_path: Path) -> None:
    rows = [{"step": 1, "loss": 0.3, "f1": None, "kl": math.nan}]
    assert learning_curve(rows, png=tmp_path / "x.png") == ""
    assert learning_curve([]) == ""
    assert not drawable(rows) and not (tmp_path / "x.png").exists()


def test_the_svg_is_the_same_each_time_and_names_nothing_outside() -> None:
    marks = [
        HeldOut(0, Interval(0.3, 0.2, 0.4, 10, 5, 0.05)),
        HeldOut(3, Interval(0.5, math.nan, math.nan, 1, 1, math.nan)),
    ]
    svg = learning_curve(STEPS, marks)
    assert svg == learning_curve(STEPS, marks)
    assert svg.startswith("<svg viewBox=") and svg.endswith("</svg>")
    assert "://" not in svg and "xmlns" not in svg and "<metadata" not in svg
    assert "held-out, 95 %" in svg and "validation" in svg


def test_a_stage_is_named_where_it_begins_and_cannot_be_markup_or_a_formula() -> None:
    rows = [*STEPS, {"step": 4, "stage": "<b> $x$", "f1": 0.2}]
    svg = learning_curve(rows)
    assert "&lt;b&gt; $x$" in svg and "<b>" not in svg


def test_long_runs_get_a_running_mean() -> None:
    rows = [{"step": i, "kl": float(i % 2)} for i in range(1, 41)]
    # 40 steps: windows of 4.
    assert "mean of the last 4 steps" in learning_curve([{**row, "f1": row["kl"]} for row in rows])
    assert not re.search("mean of the last", learning_curve(rows[:11]))
