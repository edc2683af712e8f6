"""`fairmem judge` on a folder and on labels, with a recorded judge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.eval import EvalResult
from fairmem.eval.judging import VERDICTS
from tests.unit.eval.build import result


def test_an_evaluation_is_judged_in_place_and_cases_to_label_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "r"
    result([[0.0, 1.0]]).save(folder / "eval.jsonl")
    labels = tmp_path / "labels.jsonl"
    # The scripted model knows no verdicts: everything stays unjudged, and nothing is wrong for it.
    assert main(["judge", str(folder), "--model", "scripted", "--write-labels", str(labels)]) == 0
    out = capsys.readouterr().out
    assert "By a judge" in out and "2 cases to label written" in out
    kept = EvalResult.load(folder / "eval.jsonl")
    assert kept.header.judge == "scripted"
    assert [answer.verdicts for answer in kept.answers] == [{"lenient": None, "strict": None}] * 2
    # Why is kept with each answer, and counted by kind where the verdicts are the score.
    assert {why.split(":")[0] for answer in kept.answers for why in answer.unjudged.values()} == {"unparsable"}
    assert "Unjudged: lenient: unparsable 2; strict: unparsable 2." in " ".join(out.split())
    assert main(["report", str(folder), "--score", "judge_strict"]) == 0
    assert "Failures: unparsable 2." in capsys.readouterr().out
    assert (folder / VERDICTS).is_file()
    cases = [json.loads(line) for line in labels.read_text().splitlines()]
    assert [case["label"] for case in cases] == [None, None]
    labels.write_text("".join(json.dumps({**case, "label": True}) + "\n" for case in cases))
    assert main(["judge", "--model", "scripted", "--calibrate", str(labels)]) == 0
    assert "2 labelled cases, 2 right, 0 wrong" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [([], "nothing to judge"), (["x", "--concurrency", "0"], "--concurrency is 0"), (["x"], "no such evaluation")],
)
def test_wrong_words_get_one_line(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", *words, "--model", "scripted"]) == 2
    assert complaint in capsys.readouterr().err


def test_a_folder_of_several_memories_says_which_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("none", "ours"):
        result([[1.0]]).save(tmp_path / name / "eval.jsonl")
    (tmp_path / "memories.json").write_text("{}")
    assert main(["judge", str(tmp_path), "--model", "scripted"]) == 2
    assert "holds several memories; give the folder of one: none, ours" in capsys.readouterr().err
