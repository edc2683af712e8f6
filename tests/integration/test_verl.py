"""A whole LoGo run under verl with two FSDP2 workers, killed and resumed, beside the embedded engine's run.

Skipped where verl is not installed; `.ci/verl` makes an environment that has it. verl's processes take a minute or more
to start, so there is one run for all of these tests.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fairmem.trace import read_trace
from tests.integration.build import TINY

if importlib.util.find_spec("verl") is None:
    pytest.skip("verl is not installed: pip install 'fairmem[verl]', or .ci/verl", allow_module_level=True)

ROOT = Path(__file__).parents[2]
LONG = [
    *TINY,
    "stages=[{sessions = 4, steps = 3}]",
    "data.conversations_per_step=2",
    "rollout.local_fraction=0.5",
    "data.test_conversations=1",
    "eval.bootstrap=100",
    "checkpoint.every=1",
    "model.device=cpu",
]
SAME = ("f1", "reward_local", "bank_entries", "questions", "calls", "rows", "global_groups", "local_groups")
"""What equal weights and seeds give on every engine."""


def start(out: Path, name: str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fairmem", "train", *LONG, "--name", name, "--out", str(out), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def lines(run: Path) -> list[dict[str, Any]]:
    path = run / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`embedded`, and `verl` with two workers, killed after its first checkpoint and resumed."""
    out = tmp_path_factory.mktemp("runs")
    embedded = start(out, "embedded")
    assert embedded.communicate(timeout=300)[1] is not None and embedded.returncode == 0
    on_verl = ["--engine", "verl", "--engine-option", "trainer.n_gpus_per_node=2"]
    process = start(out, "verl", *on_verl)
    saved = out / "verl" / "checkpoints" / "verl" / "latest_checkpointed_iteration.txt"
    deadline = time.monotonic() + 600
    while not saved.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert saved.exists(), (out / "verl" / "verl.log").read_text(errors="replace")[-3000:]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(lines(out / "verl")) < 3, "it was over before it could be killed"
    time.sleep(5)  # verl's own processes notice within a second and end
    resumed = start(out, "verl", *on_verl, "--resume")
    errors = resumed.communicate(timeout=600)[1]
    assert resumed.returncode == 0, errors
    return out


def test_a_killed_run_goes_on_and_ends_with_every_step_once(runs: Path) -> None:
    assert [line["step"] for line in lines(runs / "verl")] == [1, 2, 3]
    assert (runs / "verl" / "model" / "model.safetensors").is_file()
    assert (runs / "verl" / "eval_after.jsonl").is_file()


def test_the_first_step_has_the_embedded_runs_groups_and_advantages(runs: Path) -> None:
    ours, theirs = lines(runs / "verl")[0], lines(runs / "embedded")[0]
    assert {name: ours[name] for name in SAME} == {name: theirs[name] for name in SAME}
    traces = [list(read_trace(runs / engine / "trace" / "step-000001.jsonl")) for engine in ("verl", "embedded")]
    for a, b in zip(*traces, strict=True):
        assert [branch.rewards for branch in a.branches] == [branch.rewards for branch in b.branches]


def test_an_on_policy_step_is_one_update(runs: Path) -> None:
    for line in lines(runs / "verl"):
        assert line["approx_kl"] == 0.0 and line["ratio_mean"] == pytest.approx(1.0)
        assert line["sampler_gap"] < 1e-5  # sampler and trainer have the same weights, synced once per step


def test_loss_and_gradient_are_the_embedded_runs(runs: Path) -> None:
    ours, theirs = lines(runs / "verl")[0], lines(runs / "embedded")[0]
    for name in ("loss", "grad_norm"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-6), name


def test_a_curriculum_goes_through_its_stages_as_without_an_engine(tmp_path: Path) -> None:
    staged = ["stages=[{sessions = 1, steps = 1}, {sessions = 2, steps = 1}]", "model.reference=stage", "eval.every=1"]
    staged += ["data.validation_conversations=1", "learner.kl=0.1"]
    for name, engine in (("embedded", ()), ("verl", ("--engine", "verl"))):
        process = start(tmp_path, name, *staged, *engine)
        errors = process.communicate(timeout=900)[1]
        assert process.returncode == 0, errors
    ours, theirs = lines(tmp_path / "verl"), lines(tmp_path / "embedded")
    assert [line["stage"] for line in ours] == ["stage 1 (1 sessions)", "stage 2 (2 sessions)"]
    for here, there in zip(ours, theirs, strict=True):
        more = ("step", "stage", "stage_end", "val_f1", "val_m_fail")
        assert {name: here[name] for name in (*SAME, *more)} == {name: there[name] for name in (*SAME, *more)}
        for name in ("loss", "grad_norm", "kl"):  # a stage's first step is at its own reference
            assert here[name] == pytest.approx(there[name], rel=1e-3, abs=1e-6), name
    assert (tmp_path / "verl" / "model" / "model.safetensors").is_file()


def test_the_engines_agree_on_loss_gradient_and_logprobs() -> None:
    command = [sys.executable, "benchmarks/engine_parity.py", "--workers", "1", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "verl 2" in done.stdout
