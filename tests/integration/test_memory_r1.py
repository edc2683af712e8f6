"""Memory-R1 as its recipes have it, on the bundled model: bandit, cloning, manager then answerer, one table for all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fairmem.trace import EpisodeTree, read_trace

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

SMALL = (
    "data.conversations_per_step=1",
    "data.test_conversations=0",
    "data.validation_conversations=0",
    "agents.extractor_max_tokens=32",
    "agents.manager_max_tokens=32",
    "agents.answerer_max_tokens=24",
    "checkpoint.every=1",
    "log.trace_every=1",
    "learner.lr=3e-3",
    "learner.warmup_steps=0",
)


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[reportUnusedFunction]
    from fairmem import practice

    monkeypatch.setattr(practice, "report_run", lambda folder: "")


def train(
    folder: Path, name: str, *overrides: str, steps: int = 1, sessions: int = 2, resume: bool = False
) -> list[dict[str, Any]]:
    from fairmem.config import load_recipe
    from fairmem.train import run
    from tests.integration.build import metrics

    recipe = load_recipe(name, [*SMALL, f"stages=[{{sessions = {sessions}, steps = {steps}}}]", *overrides])
    assert run(recipe, folder, resume=resume) == 0
    return metrics(folder)


def trees(folder: Path) -> list[EpisodeTree]:
    return [tree for path in sorted((folder / "trace").iterdir()) for tree in read_trace(path)]


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_a_bandit_step_compares_decisions_about_single_turns(tmp_path: Path) -> None:
    options = ("rollout.global_group=4", "rollout.decisions=6")
    (row,) = train(tmp_path / "run", "memory_r1_grpo", *options, sessions=5)
    teacher, *groups = trees(tmp_path / "run")
    assert teacher.branches[0].id == "teacher" and not teacher.branches[0].failed
    assert 1 <= len(groups) <= 6 and row["global_groups"] == len(groups)
    for tree in groups:
        assert tree.conversation.startswith(f"{teacher.conversation}/D") and len(tree.branches) == 4
        assert len({branch.turns[0].prompt_ids for branch in tree.branches}) == 1
        assert {turn.role for branch in tree.branches for turn in branch.turns} == {"manager"}
        assert all(branch.quiz and branch.rewards[0].questions == len(branch.quiz) for branch in tree.branches)
    assert 0 <= row["no_signal"] <= 1 and row["no_signal"] == row["global_dropped"] / row["global_groups"]
    # The teacher's rules sample nothing; only decisions are counted.
    decided = sum(len(branch.turns[0].ids) for tree in groups for branch in tree.branches)
    assert row["sampled_tokens"] == decided


def test_cloning_moves_the_manager_towards_the_teacher_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    rows = train(tmp_path / "run", "memory_r1_bc", "checkpoint.keep=3", steps=2)
    (first, *_) = trees(tmp_path / "run")
    (branch,) = first.branches
    decisions = [turn for turn in branch.turns if turn.role == "manager"]
    assert decisions and all(turn.ids and not turn.logprobs for turn in decisions)
    assert rows[0]["rows"] == len(decisions) and rows[0]["sampled_tokens"] == sum(len(t.ids) for t in decisions)
    assert "ratio_mean" not in rows[0] and rows[0]["loss"] > 0
    # As if it had been stopped in its second step: the first is what is left of it.
    for place in ("model", "checkpoints/step-000002"):
        shutil.rmtree(tmp_path / "run" / place)
    assert train(tmp_path / "run", "memory_r1_bc", "checkpoint.keep=3", steps=2, resume=True) == rows


def test_the_answerer_is_trained_on_what_the_trained_manager_keeps_and_is_evaluated_as_it_was(tmp_path: Path) -> None:
    from fairmem.eval import EvalRequest, EvalResult, evaluate_dataset

    train(tmp_path / "manager", "memory_r1_grpo", "rollout.global_group=2", "rollout.decisions=2")
    keeper = tmp_path / "manager" / "model"
    options = (f"model.path={keeper}", "rollout.global_group=4", "rollout.max_questions=4", "rollout.temperature=1.3")
    (row,) = train(tmp_path / "answerer", "memory_r1_answerer", *options)
    memory, *groups = trees(tmp_path / "answerer")
    assert len(memory.branches) == 1 and 1 <= len(groups) <= 4
    for tree in groups:
        assert [turn.role for branch in tree.branches for turn in branch.turns] == ["answerer"] * 4
        assert {branch.start_bank for branch in tree.branches} == {memory.branches[0].final_bank}
        assert all(item.keep is not None for branch in tree.branches for item in branch.quiz)
    assert {"kept", "keep_ok", "no_signal"} <= row.keys()
    assert row["sampled_tokens"] == sum(len(b.turns[0].ids) for tree in groups for b in tree.branches)
    about = json.loads((tmp_path / "answerer" / "model" / "fairmem.json").read_text())
    assert (about["role"], about["agents"]["distill"]) == ("answerer", True)
    base = weights(Path(__file__).parents[2] / "src" / "fairmem" / "assets" / "base")
    changed = any((base[name] != tensor).any() for name, tensor in weights(tmp_path / "answerer" / "model").items())
    assert changed == (row["rows"] > 0)
    asked = EvalRequest(
        "village", model=str(keeper), answerer=str(tmp_path / "answerer" / "model"), limit=1, sessions=2,
        questions=4, out=tmp_path / "eval",
    )  # fmt: skip
    assert "Memory distillation" in evaluate_dataset(asked)
    found = EvalResult.load(tmp_path / "eval" / "eval.jsonl")
    assert found.answers and all(answer.keep for answer in found.answers)


MATRIX = """
recipe = "memory_r1_grpo"
title = "Tiny"
budget = 1
counts = "written"
seeds = [0]
seconds_per_kilotoken = 6.0
overrides = {overrides}

[[groups]]
name = "tiny"
title = "Two systems"
asks = "Does everything fit together?"
baseline = "bandit"
stages = [{{ sessions = 2 }}]
test = {{ conversations = 1, sessions = 2 }}

[[groups.arms]]
name = "bandit"
about = "single decisions"

[[groups.arms]]
name = "alpha"
about = "another memory altogether"
recipe = "mem_alpha_small"
"""


def test_systems_of_different_recipes_are_trained_and_tested_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fairmem import study
    from fairmem.cli import main
    from fairmem.reproduce import common

    def in_this_process(recipe: str, overrides: Sequence[str], seed: int, folder: Path, jobs: int) -> None:
        where = ["--name", folder.name, "--out", str(folder.parent)]
        assert main(["train", recipe, *overrides, f"seed={seed}", *where]) == 0

    monkeypatch.setattr(study, "_train", in_this_process)  # a process each would import torch five times
    monkeypatch.setattr(common, "run_command", lambda words, log, threads: main(list(words)))
    overrides = [*SMALL, "rollout.global_group=2", "rollout.decisions=2", "checkpoint.every=0"]
    overrides.append("data.test_conversations=1")
    file = tmp_path / "matrix.toml"
    file.write_text(MATRIX.format(overrides=json.dumps(overrides)), encoding="utf-8")
    command = ["reproduce", "--matrix", str(file), "--out", str(tmp_path / "runs"), "--results", str(tmp_path)]
    assert main(command) == 0
    found = json.loads((tmp_path / "reproduce.json").read_text())
    group = found["groups"][0]
    bandit, alpha = group["arms"]
    assert (group["finished"], bandit["recipe"], alpha["recipe"]) == (2, "memory_r1_grpo", "mem_alpha_small")
    for arm in (bandit, alpha):
        for name in ("f1", "gain", "bank_tokens", "ops", "answer_tokens", "tokens"):
            assert arm[name]["n"] == 1, name
    assert alpha["difference"]["n"] == 1
    # The teacher's pass is read by the frozen extractor, whose tokens count here.
    (run,) = (tmp_path / "runs").glob("bandit-*")
    first = trees(run)
    written = sum(len(turn.ids) for tree in first for branch in tree.branches for turn in branch.turns)
    assert bandit["tokens"]["mean"] == written
