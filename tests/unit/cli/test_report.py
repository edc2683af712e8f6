from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.eval import EvalResult
from fairmem.eval.evaluation import EvalRequest, evaluate_dataset


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "not the folder of a run (it has no recipe.toml)" in capsys.readouterr().err


def test_a_folder_of_several_memories_is_reported_by_another_definition_and_without_bad_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = EvalRequest("village", model="scripted", sessions=1, limit=2, memories=("none", "ours", "summary"))
    evaluate_dataset(replace(asked, out=tmp_path / "o"))
    answer = EvalResult.load(tmp_path / "o" / "ours" / "eval.jsonl").answers[0]
    (tmp_path / "e.json").write_text(json.dumps([{"question": answer.text, "golden_answer": answer.gold}]))
    assert main(["report", str(tmp_path / "o"), "--score", "em", "--exclude", str(tmp_path / "e.json")]) == 0
    out = capsys.readouterr().out
    assert "EM[exact|squad-norm|no-stem|v1]; village, 2 conversations" in out
    assert "1 question left out, whose gold answer e.json lists as wrong." in out and "Skipped" in out
    table = json.loads((tmp_path / "o" / "memories.json").read_text())
    assert table["signature"].startswith("EM") and list(table["memories"]) == ["none", "ours"]
    assert (tmp_path / "o" / "memories.html").read_text().count("<svg") >= 2
    (tmp_path / "o" / "memories.json").write_text("{}")
    assert main(["report", str(tmp_path / "o")]) == 2
    assert "memories.json: cannot be read: KeyError" in capsys.readouterr().err
