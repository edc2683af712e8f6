"""fairmem's evaluations run by inspect_ai itself, with a model behind a server on the loopback interface."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.eval import EvalResult
from fairmem.eval.gateway import Gateway
from fairmem.memory import HashedEmbedder
from fairmem.policy import Prompt, ScriptedPolicy

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("inspect_ai") is None, reason="inspect_ai absent: pip install 'fairmem[inspect]'"
)


def _reply(prompt: Prompt, seed: int) -> str:
    """Answers with the memory that shares most words with the question, so that answers depend on memory."""
    text = prompt[-1].content
    asked = set(text.rpartition("Question: ")[2].split())
    shown = [line.partition("] ")[2] for line in text.splitlines() if line.startswith("- [")]
    nearest = max(shown, key=lambda line: len(asked & set(line.split())), default="no information")
    return f"<answer>{nearest}</answer>"


@pytest.fixture
def server() -> Iterator[Gateway]:
    with Gateway(ScriptedPolicy(_reply, family="instruct"), HashedEmbedder(16)) as gateway:
        yield gateway


def test_inspect_gives_the_scores_of_fairmem_eval_and_its_log_opens(tmp_path: Path, server: Gateway) -> None:
    words = ["--limit", "2", "--sessions", "2", "--questions", "4", "--memory", "bm25", "--seed", "4"]
    words += ["--model", "openai:m", "--base-url", server.base_url, "--out", str(tmp_path)]
    assert main(["eval", "village", *words]) == 0
    ours = EvalResult.load(tmp_path / "eval.jsonl")

    options = {"first": "2", "sessions": "2", "questions": "4", "memory": "bm25", "seed": "4"}
    given = [word for name, value in options.items() for word in ("-T", f"{name}={value}")]
    # Its own mock model counts tokens with a table from the network, so a served one is used.
    command = [sys.executable, "-m", "inspect_ai", "eval", "fairmem/village", "--model", "openai-api/local/m", *given]
    environment = {**os.environ, "LOCAL_API_KEY": "none", "LOCAL_BASE_URL": server.base_url}
    logs = ["--log-dir", str(tmp_path / "logs"), "--display", "plain", "--no-fail-on-error"]
    done = subprocess.run([*command, *logs], env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr

    (file,) = (tmp_path / "logs").iterdir()
    dumped = subprocess.run(
        [sys.executable, "-m", "inspect_ai", "log", "dump", str(file)], capture_output=True, text=True, timeout=60
    )
    log = json.loads(dumped.stdout)
    assert log["status"] == "success"
    theirs = {
        (sample["metadata"]["conversation"], sample["metadata"]["question"]): (
            next(iter(sample["scores"].values()))["value"],
            sample["metadata"]["answer"],
            tuple(sample["metadata"]["shown"]),
        )
        for sample in log["samples"]
    }
    expected = {(a.conversation, a.question): (a.score, a.answer, a.shown_texts) for a in ours.answers}
    assert theirs == expected and len(expected) == 8
    assert any(score for score, _, _ in theirs.values())
    metrics = log["results"]["scores"][0]["metrics"]
    assert metrics["mean"]["value"] == pytest.approx(sum(a.score or 0 for a in ours.answers) / 8)
    assert "stderr" in metrics


def test_every_dataset_is_a_task_and_a_wrong_memory_is_refused() -> None:
    from fairmem.data import DATASETS
    from fairmem.errors import ConfigError
    from fairmem.eval.inspect_task import TASKS, make_task

    assert tuple(TASKS) == tuple(DATASETS)
    with pytest.raises(ConfigError, match="memory 'mem0' is not for inspect; expected one of none, full"):
        make_task("village", memory="mem0")
