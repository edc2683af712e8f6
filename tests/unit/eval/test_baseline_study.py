"""The table of all memories: run small, made from its JSON alone, and what ships agrees with itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.errors import CheckpointError
from fairmem.eval.baseline_study import MEMORIES, main, study_page
from fairmem.policy import weights_digest

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def test_a_small_study_is_run_kept_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--conversations", "2", "--sessions", "1", "--questions", "2", "--budget", "60"]
    words = [*small, "--work", str(tmp_path / "work"), "--out", str(tmp_path), "--trained", "bundled"]
    assert main(words) == 0
    study = json.loads((tmp_path / "baselines.json").read_text())
    assert list(study["datasets"]["village"]["content"]["memories"]) == [*MEMORIES, "ours, trained"]
    page = (tmp_path / "baselines.md").read_text()
    assert page == study_page(study) == capsys.readouterr().out
    assert "fairmem eval village --memory none,full,last,bm25,dense,oracle,ours --budget 60 --seed 0" in page
    assert study["datasets"]["village"]["questions"] == 4
    # The same model as a further row makes the same memory: no difference, p 1.
    row = next(line for line in page.splitlines() if line.startswith("| ours, trained |"))
    assert "| +0.000" in row and row.endswith("| 1.000 |")
    made = page
    assert main(words) == 0
    assert (tmp_path / "baselines.md").read_text() == made


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(CheckpointError, match="expected fairmem-baselines version 1, found x None"):
        study_page({"format": "x"})


def test_the_tables_that_ship_are_those_of_their_file_and_of_the_model_that_ships() -> None:
    file = RESULTS / "baselines.json"
    if not file.is_file():
        pytest.skip("docs/results/baselines.json absent: python -m fairmem.eval.baseline_study makes it")
    study = json.loads(file.read_text(encoding="utf-8"))
    assert (RESULTS / "baselines.md").read_text(encoding="utf-8") == study_page(study)
    assert study["weights"] == weights_digest("bundled")
    for found in study["datasets"].values():
        memories = found["content"]["memories"]
        assert set(MEMORIES) <= memories.keys()
        assert memories["oracle"]["evidence_recall"]["mean"] >= memories["bm25"]["evidence_recall"]["mean"]
