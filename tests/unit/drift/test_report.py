from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.drift.arms import make_arms
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters
from fairmem.drift.files import load_scenarios
from fairmem.drift.intervals import Rate
from fairmem.drift.report import report_audit
from fairmem.drift.report_page import p_value, signed, spread_percent
from fairmem.drift.runner import run_audit
from fairmem.drift.summary import summarise
from fairmem.drift.trials import read_run


def test_a_report_says_the_same_in_every_format(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    run_audit(ClosedFormModel(DriftParameters(alpha=0.3)), load_scenarios(), make_arms(), [0], folder)
    text = report_audit(folder)
    content = json.loads((folder / "report.json").read_text())
    assert (content["format"], content["version"]) == ("fairmem-drift-report", 1)
    main_arm = next(arm for arm in content["arms"] if arm["name"] == content["main"])
    shown = f"{main_arm['delta']['mean']:+.3f}"
    assert content["main"] == "biased-8" and shown in text
    assert shown in (folder / "report.md").read_text() and shown in (folder / "report.html").read_text()
    assert "<script" not in (folder / "report.html").read_text()
    assert len(content["dimensions"]) == 5 and len(content["domains"]) == 7
    assert [one["delta"]["n"] for one in content["strata"]] == [70, 35]
    assert content["arms"][0]["p"] is None and content["judge"] is None


def test_holm_runs_over_the_twelve_cells_of_the_family(tmp_path: Path) -> None:
    run_audit(ClosedFormModel(DriftParameters(alpha=0.3)), load_scenarios(), make_arms(), [0], tmp_path / "a")
    summary = summarise(read_run(tmp_path / "a"), resamples=1000)
    # Exact over 15 scenarios that all move the same way: 2 / 2^15, the smallest of twelve.
    assert summary.domains[0].p == pytest.approx(12 * 2 / 2**15, rel=0.2)


def test_without_biased_or_second_arm_the_report_says_what_is_missing(tmp_path: Path) -> None:
    run_audit(ClosedFormModel(), load_scenarios()[:3], make_arms(["none", "neutral"]), [0], tmp_path / "a")
    text = report_audit(tmp_path / "a")
    assert "No biased arm was run" in text and "No noise floor" in text


def test_the_command_runs_reports_and_refuses_what_it_must(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "audit"
    argv = ["drift", "run", "--model", "closed-form:alpha=0.5", "--only", "risk,legal", "--out", str(out)]
    assert main(argv) == 0
    assert "3 scenarios, exact value distributions" in capsys.readouterr().out
    assert main(["drift", "report", str(out)]) == 0
    assert "biased-8 moves deflection by" in capsys.readouterr().out
    assert main([*argv, "--seeds", "one"]) == 2
    assert "--seeds: found 'one'" in capsys.readouterr().err
    assert main(["drift", "report", str(tmp_path)]) == 2
    assert "not the folder of a drift run" in capsys.readouterr().err
    assert main(["drift", "judge", str(out), "--model", "scripted"]) == 2
    assert "run with --sampled" in capsys.readouterr().err


def test_numbers_are_shown_with_sign_and_without_false_precision() -> None:
    assert [signed(x) for x in (0.1234, -0.0001, 0.0, float("nan"))] == ["+0.123", "0.000", "0.000", "–"]
    assert [p_value(p) for p in (0.0004, 0.05, float("nan"))] == ["<0.001", "0.050", "–"]
    assert spread_percent(Rate(1, 20, 0.00127, 0.24873)) == "0–25 %"
