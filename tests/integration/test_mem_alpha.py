"""A step of training with the writer of a structured memory, on the bundled model, by the trainer of all recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.trace import read_trace

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

SMALL = (
    "stages=[{sessions = 2, steps = 1}]",
    "data.conversations_per_step=2",
    "data.test_conversations=2",
    "data.validation_conversations=0",
    "rollout.global_group=3",
    "agents.manager_max_tokens=48",
    "agents.answerer_max_tokens=24",
    "checkpoint.every=0",
    "log.trace_every=1",
    "learner.lr=3e-3",
    "learner.warmup_steps=0",
)


def test_the_writer_is_trained_by_the_same_run_and_its_model_says_how_it_was(tmp_path: Path) -> None:
    from fairmem.config import load_recipe
    from fairmem.eval import EvalRequest, evaluate_dataset
    from fairmem.train import run
    from tests.integration.build import metrics

    assert run(load_recipe("mem_alpha_small", SMALL), tmp_path / "run") == 0
    (row,) = metrics(tmp_path / "run")
    assert {"reward_calls", "reward_compression", "reward_content", "ops_insert"} <= row.keys()
    assert row["failed_branches"] == 0
    trees = list(read_trace(next((tmp_path / "run" / "trace").iterdir())))
    assert [tree.conversation.split("-")[1] for tree in trees] == ["reading", "two_hops"]
    turns = [turn for tree in trees for branch in tree.branches for turn in branch.turns]
    assert {turn.role for turn in turns} == {"writer"} and all(turn.parse is not None for turn in turns)
    rewards = [reward for tree in trees for branch in tree.branches for reward in branch.rewards]
    assert all(set(reward.parts) == {"answer", "calls", "compression", "content"} for reward in rewards)
    # The exported model keeps a structured memory wherever it is evaluated, and a second run goes on from its files.
    asked = EvalRequest("village", model=str(tmp_path / "run" / "model"), limit=1, sessions=1, out=tmp_path / "eval")
    assert evaluate_dataset(asked) == evaluate_dataset(asked)
    assert "fairmem-structured" in (tmp_path / "eval" / "index.jsonl").read_text(encoding="utf-8")
