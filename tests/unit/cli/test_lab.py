from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.lab.study import load

WHAT = ["--rules", "grpo,logo", "--horizons", "2,4", "--worlds", "undone"]
SMALL = ["lab", *WHAT, "--interactions", "0.5", "--skills", "1.5", "--estimates", "4"]


def test_the_lab_prints_its_tables_and_writes_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--replications", "2", "--out", str(tmp_path / "new" / "lab")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("# Credit rules in the lab\n\n2 conversations per cell, 4 gradient estimates each, 1280 ")
    assert err.splitlines()[0] == "mixed, interaction 0.5, skill 1.5, 2 sessions"
    folder = tmp_path / "new" / "lab"
    assert sorted(path.name for path in folder.iterdir()) == ["lab.json", "lab.md", "lab.png"]
    assert (folder / "lab.md").read_text(encoding="utf-8") == out
    assert load(folder / "lab.json")["settings"]["worlds"] == ["undone"]


def test_without_a_folder_it_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, "--replications", "1"]) == 0
    assert "## All measures" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rules", "grpo,lgo"], "no rule 'lgo' in the lab; nearest: logo"),
        (["--horizons", "8,long"], "--horizons is '8,long', expected whole numbers, as in 8,16,32"),
        (["--interactions", "much"], "--interactions is 'much', expected numbers, as in 0.5,0,1"),
        (["--interactions", "0.5,7"], "interaction is 7, expected a number from 0 to 1"),
        (["--worlds", "moon"], "no world 'moon' in the lab"),
        (["--tokens", "80"], "raise --tokens"),
        (["--replications", "0"], "--replications and --tokens must be 1 or more"),
        (["--horizons", ""], "--horizons must name at least one"),
    ],
)
def test_wrong_options_are_one_line(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", *options]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert err.startswith("fairmem: error: ") and message in err
