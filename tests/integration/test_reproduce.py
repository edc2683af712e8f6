"""`fairmem reproduce` from its matrix to its page: two arms, two seeds, one step each, really trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem import study
from fairmem.cli import main
from fairmem.reproduce import page, section
from fairmem.reproduce.readme import BEGIN, END
from tests.integration.build import TINY, metrics

MATRIX = """
recipe = "memory_r2_small"
budget = 1
seeds = [0, 1]
seconds_per_kilotoken = 6.0
overrides = {overrides}

[[groups]]
name = "tiny"
title = "GRPO and LoGo"
asks = "Does everything fit together?"
baseline = "grpo"
frontier = true
stages = [{{ sessions = 2 }}]

[[groups.arms]]
name = "grpo"
about = "no rerollouts"
overrides = ["credit.rule=grpo", "rollout.local_fraction=0"]

[[groups.arms]]
name = "logo"
about = "rerollouts"
"""


def test_a_tiny_matrix_is_trained_reported_and_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained: list[str] = []

    def in_this_process(recipe: str, overrides: Sequence[str], seed: int, folder: Path, jobs: int) -> None:
        trained.append(folder.name)
        where = ["--name", folder.name, "--out", str(folder.parent)]
        assert main(["train", recipe, *overrides, f"seed={seed}", *where]) == 0

    monkeypatch.setattr(study, "_train", in_this_process)  # a process each would import torch four times
    overrides = [*(o for o in TINY[1:] if not o.startswith("stages")), "data.test_conversations=1"]
    file = tmp_path / "matrix.toml"
    file.write_text(MATRIX.format(overrides=json.dumps(overrides)), encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("# Mine\n", encoding="utf-8")
    command = ["reproduce", "--matrix", str(file), "--out", str(tmp_path / "runs"), "--results", str(tmp_path / "page")]
    assert main([*command, "--readme", str(readme)]) == 2 and not trained  # it lacks the two lines: said at once
    readme.write_text(f"# Mine\n{BEGIN}\n{END}\n", encoding="utf-8")
    assert main([*command, "--readme", str(readme)]) == 0
    assert len(trained) == 4
    found = json.loads((tmp_path / "page" / "reproduce.json").read_text())
    group = found["groups"][0]
    assert (group["finished"], group["runs"], group["seeds"]) == (4, 4, [0, 1])
    for arm in found["groups"][0]["arms"]:
        assert [row["steps"] for row in arm["seeds"]] == [1, 1]  # one step spends the budget of one token
        assert all(row["tokens"] > 0 and row["waves"] > 0 for row in arm["seeds"])
    assert found["groups"][0]["arms"][1]["difference"]["n"] == 2
    assert (tmp_path / "page" / "reproduce.md").read_text() == page(found)
    assert {path.name for path in (tmp_path / "page").iterdir()} == {
        "reproduce.json", "reproduce.md", "reproduce-differences.png", "reproduce-frontier.png",
    }  # fmt: skip
    assert section(found) in readme.read_text()
    assert len(list((tmp_path / "runs" / ".starts").iterdir())) == 1  # all four begin alike, and one evaluated that
    lent = tmp_path / "runs" / trained[-1]
    in_this_process("memory_r2_small", [*overrides, "stages=[{sessions=2,steps=1}]"], 1, tmp_path / "alone", 1)
    assert trained.pop() == "alone" and trained[-1].endswith("-s1")
    assert (lent / "eval_before.jsonl").read_text() == (tmp_path / "alone" / "eval_before.jsonl").read_text()
    rows = metrics(tmp_path / "runs" / trained[0])
    assert rows[0]["stage_end"] == "tokens" and rows[0]["sampled_tokens_total"] == rows[0]["sampled_tokens"]
    capsys.readouterr()
    assert main(command) == 0 and len(trained) == 4  # nothing is left
    assert main([*command, "--list"]) == 0
    assert "  logo                    2/2 runs, 1 tokens" in capsys.readouterr().out.split("# Does")[-1]
    assert main([*command, "--seeds", "0,1,2", "--report"]) == 0 and len(trained) == 4
    assert "seed 2: not finished" in capsys.readouterr().out
    elsewhere = [*command[:3], "--out", str(tmp_path / "new"), "--results", str(tmp_path / "page")]
    assert main(elsewhere) == 0 and len(trained) == 4  # the report knows them, without their folders
    assert json.loads((tmp_path / "page" / "reproduce.json").read_text())["groups"][0]["arms"] == group["arms"]
    assert main([*command, "--only", "huge"]) == 2 and main([*command, "--budget", "0"]) == 2
    assert main([*command, "--seeds", "a"]) == 2
