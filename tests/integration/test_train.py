"""`fairmem train` as a user runs it, on the bundled model, shrunk to seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.kill_resume import TINY, kill_at_moments

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

ROOT = Path(__file__).parents[2]
LOCOMO = ROOT.parent / "shared" / "data" / "locomo" / "locomo_dev3.json"


def fairmem(*words: str, timeout: float = 200) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fairmem", *words], cwd=ROOT, capture_output=True, text=True, timeout=timeout
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    out = tmp_path_factory.mktemp("runs")
    done = fairmem("train", *TINY, "--name", "run", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "F1" in done.stdout and "stage 1 (1 sessions) ends after" in done.stderr
    return out / "run"


def test_a_run_leaves_report_model_traces_and_both_evaluations(finished: Path) -> None:
    for name in ("recipe.toml", "metrics.jsonl", "eval_before.jsonl", "eval_after.jsonl", "learning_curve.png"):
        assert (finished / name).stat().st_size > 0, name
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    assert (finished / "model" / "model.safetensors").is_file()
    about = json.loads((finished / "model" / "fairmem.json").read_text())
    assert about["prompts"] == "compact" and about["agents"]["shown_per_speaker"] == 8  # as the recipe says
    traces = [path.name for path in sorted((finished / "trace").iterdir())]
    assert traces[:2] == ["step-000001.jsonl", "step-000003.jsonl"]


def test_the_weights_changed_and_every_step_is_logged(finished: Path) -> None:
    from safetensors.torch import load_file

    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1)) and len(rows) <= 7
    assert any(row["rows"] > 0 for row in rows)
    base = load_file(ROOT / "src" / "fairmem" / "assets" / "base" / "model.safetensors")
    tuned = load_file(finished / "model" / "model.safetensors")
    assert any((base[name] != tuned[name]).any() for name in base)


def test_local_siblings_start_from_one_memory_and_were_sampled_apart(finished: Path) -> None:
    from fairmem.trace import read_trace

    groups = [
        members
        for path in sorted((finished / "trace").iterdir())
        for tree in read_trace(path)
        for members in tree.local_groups().values()
    ]
    assert groups
    for members in groups:
        assert len({branch.start_bank for branch in members}) == 1
        assert len({turn.seed for branch in members for turn in branch.turns}) == sum(len(b.turns) for b in members)
    assert any(len({tuple(turn.ids for turn in branch.turns) for branch in members}) > 1 for members in groups)


def test_runs_killed_at_random_moments_and_resumed_end_with_the_same_files(finished: Path, tmp_path: Path) -> None:
    # `python -m tests.integration.kill_resume` does it at ten; a run works for 3 to 8 seconds.
    said: list[str] = []
    assert kill_at_moments(finished.parent, tmp_path, 5.0, moments=2, seed=1, say=said.append) == []
    assert len(said) == 2, said


def test_the_exported_model_is_evaluated_like_any_hugging_face_folder(finished: Path, tmp_path: Path) -> None:
    done = fairmem(
        "eval",
        "village",
        "--model",
        f"hf:{finished / 'model'}",
        "--limit",
        "2",
        "--sessions",
        "2",
        "--out",
        str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "F1[bag|squad-norm|no-stem|v1]" in done.stdout
    assert (tmp_path / "eval.jsonl").is_file()


def test_training_and_evaluation_take_a_locomo_file(tmp_path: Path) -> None:
    if not LOCOMO.is_file():
        pytest.skip(f"shared data folder absent: {LOCOMO.name}")
    done = fairmem(
        "train",
        "memory_r2_small",
        "data.source=locomo",
        f"data.path={LOCOMO}",
        'data.train=["conv-43", "conv-47"]',
        "stages=[{sessions = 2, steps = 1}]",
        "data.conversations_per_step=2",
        "rollout.global_group=2",
        "rollout.local_group=2",
        "--name",
        "locomo",
        "--out",
        str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    row = json.loads((tmp_path / "locomo" / "metrics.jsonl").read_text().splitlines()[0])
    assert row["questions"] > 0
    scored = fairmem(
        "eval", "locomo", "--data", str(LOCOMO), "--conversations", "conv-44", "--sessions", "6", "--questions", "10"
    )
    assert scored.returncode == 0, scored.stderr
    assert "F1" in scored.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "memory_r2_small", "learner.lrr=1"], "did you mean 'learner.lr'"),
        (["train", "no_such_recipe"], "no such recipe"),
        (["train", "memory_r2_small", "data.source=locomo"], "data.path is empty"),
        (["train", "memory_r2_small", "model.path=hf:{tmp}/nothing"], "found nothing"),
        (["train", "memory_r2_small", "model.path=hf:{tmp}/half"], "no tokenizer files"),
        (["train", "memory_r2_small", "credit.rule=best"], "unknown credit rule"),
        (["train", "memory_r2_small", "reward.f1=best"], "expected one of bag"),
        (["eval", "locomo", "--data", "{tmp}/absent.json"], "absent.json"),
        (["eval", "locomo", "--data", "{tmp}/wrong.json"], "wrong.json"),
        (["eval", "village", "--model", "openai:x", "--base-url", "http://127.0.0.1:9/v1"], "127.0.0.1:9"),
    ],
)
def test_bad_input_gets_one_clear_line_and_writes_nothing(tmp_path: Path, words: list[str], says: str) -> None:
    (tmp_path / "wrong.json").write_text('[{"sample_id": "x"}]')
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text("{}")
    out = tmp_path / "runs"
    words = [word.replace("{tmp}", str(tmp_path)) for word in words]
    done = fairmem(*words, *(["--out", str(out)] if words[0] == "train" else []))
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not out.exists() or not any(out.iterdir())
