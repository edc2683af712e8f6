from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.cli import main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_check_up_is_printed_and_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor"])
    out = capsys.readouterr().out
    assert code == (0 if out.endswith("no problem found\n") else 1)
    assert out.startswith("fairmem ") and "extras, and what installs" in out
    assert list(tmp_path.iterdir()) == []


def test_json_and_the_exit_code_agree(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["healthy"] is (code == 0)


def test_a_recipe_that_could_not_start_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "memory_r2_qwen2.5_7b", "model.path=nowhere"]) == 1
    out = capsys.readouterr().out
    assert "XX model     nowhere: found nothing" in out and "XX data      locomo10.json: no such file" in out


def test_a_run_of_that_name_is_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out" / "mine").mkdir(parents=True)
    (tmp_path / "out" / "mine" / "recipe.toml").write_text("")
    words = ["doctor", "memory_r2_small", "data.test_conversations=0", "--name", "mine", "--out", "out"]
    assert main(words) == 1
    assert "out/mine already holds a run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["no_such_recipe"], "no such recipe file"),
        (["--engine", "magic"], "expected one of embedded, verl, trl"),
        (["memory_r2_small", "model.pth=x"], "unknown key 'model.pth'"),
    ],
)
def test_wrong_words_are_one_line_and_code_2(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *words]) == 2
    err = capsys.readouterr().err
    assert expected in err and err.count("\n") == 1
