from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.cli import main


def test_the_small_world_is_written_and_keeps_every_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "small.jsonl"
    assert main(["drift", "world", str(file), "--per-cell", "1", "--split", "train", "--seed", "3"]) == 0
    assert capsys.readouterr().out == f"35 scenarios in {file}\n"
    assert main(["drift", "validate", str(file)]) == 0
    assert "35 scenarios, 0 held out" in capsys.readouterr().out


def test_the_closed_form_is_audited_like_any_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "small.jsonl"
    assert main(["drift", "world", str(file), "--per-cell", "1"]) == 0
    command = ["drift", "run", "--model", "plant:alpha=1", "--scenarios", str(file), "--only", "risk"]
    assert main([*command, "--out", str(tmp_path / "audit")]) == 0
    # 1 - 2^-8 of deflection 1, four times that in points.
    assert "biased-8 moves deflection by +0.996 [+0.996, +0.996], +3.98 points" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["world", "NOWHERE/x.jsonl"], "cannot be written"),
        (["world", "x.jsonl", "--per-cell", "0"], "scenarios per cell: found 0"),
        (["plant", "--out", "x", "--alpha", "2"], "alpha 2.0"),
        (["plant", "--out", "x", "--steps", "0"], "steps: found 0"),
        (["plant", "--out", "x", "--model", "closed-form"], "closed-form"),
        (["study", "--out", "x", "--seeds", "a"], "--seeds is 'a'"),
        (["study", "--out", "x", "--defenses", "magic"], "'magic'"),
        (["study", "--out", "x", "learner.lr=-1"], "learner.lr"),
    ],
)
def test_wrong_arguments_are_one_line_and_write_nothing(
    argv: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["drift", *argv]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
