"""`fairmem train` of a tool user, from an unplanted base and on a few scenarios, as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.drift.small import practice, small_world
from fairmem.runlog import read_metrics

TINY = [
    "drift_aware_small",
    "model.path=bundled",
    "data.conversations_per_step=1",
    "rollout.global_group=2",
    "agents.manager_max_tokens=12",
    "stages=[{steps = 2}]",
    "checkpoint.every=1",
]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two scenarios are audited, of a bias that is trained on and of one that is not."""
    both = [small_world(0, "test", 1)[0], small_world(0, "test", 1)[-1]]
    monkeypatch.setattr(practice, "small_world", lambda *_: both)


def test_a_run_audits_trains_audits_again_and_reports(
    few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *TINY, "--out", str(tmp_path)]) == 0
    folder = tmp_path / "drift_aware_small"
    shown = capsys.readouterr().out
    assert "seen (1)" in shown and "held-out bias in unseen domains (1)" in shown
    found = json.loads((folder / "drift.json").read_text(encoding="utf-8"))
    assert set(found["before"]) == set(found["after"]) == {"all", "seen", "held-out bias in unseen domains"}
    rows = read_metrics(folder / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2] and {"reward", "drift", "used", "valid", "rows"} <= set(rows[0])
    assert (folder / "model" / "config.json").is_file()
    # The report is made anew from the run's files.
    (folder / "report.md").unlink()
    assert main(["report", str(folder)]) == 0
    assert "Before and after training" in (folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.path=runs/nowhere/model", "fairmem drift plant --out runs/nowhere"),
        ("credit.rule=rloo", "needs credit.rule=grpo"),
        ("eval.every=1", "needs eval.every=0"),
        ("drift.biases=[]", "drift.biases"),
        ('drift.biases=["haste"]', "drift.biases"),
    ],
)
def test_what_a_tool_user_is_not_trained_with_is_one_line(
    override: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *TINY, override, "--out", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert not (tmp_path / "drift_aware_small").exists()


def test_other_engines_refuse_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *TINY, "--engine", "trl", "--out", str(tmp_path)]) == 2
    assert "only --engine embedded trains tool users" in capsys.readouterr().err
