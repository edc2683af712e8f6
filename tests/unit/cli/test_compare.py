from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.cli.compare import SCORES, TEXT_SCORES
from fairmem.eval.rescore import JUDGED
from fairmem.metrics import ANSWER_SCORES
from tests.unit.eval.build import result


def test_the_scores_offered_are_those_there_are() -> None:
    assert tuple(ANSWER_SCORES) == TEXT_SCORES
    assert (*ANSWER_SCORES, *JUDGED) == SCORES


def test_two_folders_are_compared_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result([[0.0, 0.0]]).save(tmp_path / "a" / "eval.jsonl")
    result([[1.0, 0.0]]).save(tmp_path / "b" / "eval.jsonl")
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "c")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("b compared with a\n")
    assert "1 became right, 0 became wrong" in out
    assert (tmp_path / "c" / "compare.html").is_file()


def test_other_definitions_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result([[0.0]]).save(tmp_path / "a.jsonl")
    result([[1.0]], signature="EM[exact|squad-norm|no-stem|v1]").save(tmp_path / "b.jsonl")
    words = ["compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    assert main(words) == 2
    assert "not the same quantity" in capsys.readouterr().err
    assert main([*words, "--mixed"]) == 0
    assert main([*words, "--score", "locomo"]) == 0


def test_an_evaluation_is_reported_anew_by_another_score_and_without_bad_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result([[0.0, 1.0]]).save(tmp_path / "eval.jsonl")
    bad = tmp_path / "errors.json"
    bad.write_text(json.dumps([{"question": "Question 0 of c0?", "golden_answer": "Lodz"}]))
    assert main(["report", str(tmp_path), "--score", "em", "--exclude", str(bad)]) == 0
    out = capsys.readouterr().out
    assert "EM[exact|squad-norm|no-stem|v1]" in out and "Without known-bad keys" in out
    assert "n 2: temporal 50 %, single_hop 50 %; at most 8 entries per speaker shown." in out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["excluded"]["questions"] == 1
    assert report["excluded"]["summary"]["score"]["n"] == 1
    assert set(report["definitions"]) >= {"F1[locomo|squad-norm+and|stem|v1]", "F1[mem0_set|lower|no-stem|v1]"}
