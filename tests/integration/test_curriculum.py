"""The curriculum in a real run: what stages hand on, and that a run stopped in any gap decides the same again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem import train
from fairmem.config import Recipe
from fairmem.practice import MemoryPractice
from tests.integration.build import metrics, tiny

SCORES = [(0.2, 0.5), (0.4, 0.6), (0.3, 0.05), (0.5, 0.4), (0.1, 0.5), (0.2, 0.5)]
"""(val_f1, val_m_fail) after each step: stage 1 is left after step 3 with the weights of step 2, stage 2 after step 6
with those of step 4."""


class Killed(BaseException):
    """The process is gone: nothing catches this."""


def recipe(*overrides: str) -> Recipe:
    return tiny(
        "stages=[{sessions = 1, steps = 5}, {sessions = 2, steps = 3, compression_lambda = 0.0, minibatches = 2}]",
        "eval.every=1",
        "data.validation_conversations=1",
        "seed=4",
        "curriculum.promote=true",
        "model.reference=stage",
        "checkpoint.every=2",
        "log.trace_every=0",
        *overrides,
    )


@pytest.fixture(autouse=True)
def _planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation gives the planned scores; evaluations at both ends and the report are left out."""

    def scores(practice: Any, log: Any) -> dict[str, float | None]:
        f1, m_fail = SCORES[max(0, log._metrics.last)]  # the step that is validated is not logged yet
        return {"val_f1": f1, "val_m_fail": m_fail}

    monkeypatch.setattr(MemoryPractice, "validate", scores)
    monkeypatch.setattr(MemoryPractice, "evaluate", lambda practice, when, log: None)
    monkeypatch.setattr(MemoryPractice, "report", lambda practice: "")


def weights_of(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "whole"


@pytest.fixture
def finished(whole: Path, _planned: None) -> Path:
    """A run that nobody disturbed."""
    if not whole.exists():
        train.run(recipe(), whole)
    return whole


def test_a_stage_starts_from_the_best_weights_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after: dict[int, Any] = {}
    begun: dict[int, Any] = {}
    proceed = train._proceed

    def watch(bench: Any, progress: Any, decision: Any, log: Any) -> None:
        after[progress.step] = bench.backbones.team.weights()["shared"]
        proceed(bench, progress, decision, log)
        (learner,) = bench.backbones.team.members.values()
        reference = {name: p.detach().clone() for name, p in learner._reference.named_parameters()}
        begun[progress.step] = (
            bench.backbones.team.weights()["shared"], reference, learner.optimizer.steps, learner.config.minibatches
        )  # fmt: skip

    monkeypatch.setattr(train, "_proceed", watch)
    train.run(recipe(), tmp_path / "run")

    def same(one: Any, other: Any) -> bool:
        return all(bool((one[name] == other[name]).all()) for name in one)

    assert sorted(after) == [1, 2, 3, 4, 5, 6] and not same(after[2], after[3])
    weights, reference, optimizer_steps, minibatches = begun[3]
    assert same(weights, after[2]) and same(reference, after[2]) and (optimizer_steps, minibatches) == (0, 2)
    assert same(begun[2][0], after[2]) and not same(begun[2][1], after[2])  # within a stage nothing is put back
    assert same(begun[6][0], after[4])  # exported
    rows = metrics(tmp_path / "run")
    assert [row.get("stage_end") for row in rows] == [None, None, "promoted", None, None, "steps"]
    assert [row["stage"][:7] for row in rows] == ["stage 1"] * 3 + ["stage 2"] * 3
    assert (rows[2]["val_f1"], rows[2]["val_m_fail"]) == (0.3, 0.05)
    said = " ".join(capsys.readouterr().err.split())
    assert "stage 1 (1 sessions) ends after 3 steps; val_m_fail 0.050 is below 0.1; its best weights" in said


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("gap", "call"),
    [
        ("after_step", 3),  # between the validation and the promotion it leads to
        ("save_weights", 2),  # between a better score and its weights
        ("load_weights", 1),  # in the change of stages
        ("save_checkpoint", 2),  # between the promotion and its checkpoint
        ("prune_weights", 2),  # in stage 2
    ],
)
def test_a_run_killed_in_a_gap_decides_the_same_again(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gap: str, call: int, before: bool
) -> None:
    real, calls = getattr(train, gap), 0

    def deadly(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and before:
            raise Killed
        result = real(*args, **options)
        if calls == call:
            raise Killed
        return result

    monkeypatch.setattr(train, gap, deadly)
    with pytest.raises(Killed):
        train.run(recipe(), tmp_path / "whole")
    monkeypatch.setattr(train, gap, real)
    train.run(recipe(), tmp_path / "whole", resume=True)
    assert (tmp_path / "whole" / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
    assert weights_of(tmp_path / "whole") == weights_of(finished)
    assert (
        kept(tmp_path / "whole") == kept(finished) == ["step-000004", "step-000006", "weights-000002", "weights-000004"]
    )


def test_a_budget_of_tokens_ends_a_stage_and_is_counted_on_when_a_killed_run_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ("curriculum.promote=false", "eval.every=0", "model.reference=start")
    train.run(recipe(*plain, "stages=[{sessions = 1, steps = 3}]"), tmp_path / "steps")
    counted = metrics(tmp_path / "steps")
    budget = counted[0]["sampled_tokens"] + 1  # the first step leaves one token of it, the second reaches it
    assert [row["sampled_tokens_total"] for row in counted][1] == sum(row["sampled_tokens"] for row in counted[:2])
    stages = f"stages=[{{sessions = 1, steps = 9, tokens = {budget}}}, {{sessions = 1, steps = 1}}]"
    train.run(recipe(*plain, stages), tmp_path / "whole")
    rows = metrics(tmp_path / "whole")
    assert [row.get("stage_end") for row in rows] == [None, "tokens", "steps"]
    assert rows[0] == counted[0] and rows[2]["sampled_tokens_total"] == sum(row["sampled_tokens"] for row in rows)

    def deadly(*args: Any, **options: Any) -> Any:
        raise Killed

    step_done = train.save_checkpoint
    monkeypatch.setattr(train, "save_checkpoint", deadly)  # after the budget was spent, before that was kept
    with pytest.raises(Killed):
        train.run(recipe(*plain, stages), tmp_path / "killed")
    monkeypatch.setattr(train, "save_checkpoint", step_done)
    train.run(recipe(*plain, stages), tmp_path / "killed", resume=True)
    assert (tmp_path / "killed" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_resuming_what_is_over_changes_nothing(finished: Path) -> None:
    before = {name: (finished / name).read_bytes() for name in ("metrics.jsonl", "model/model.safetensors")}
    train.run(recipe(), finished, resume=True)
    assert {name: (finished / name).read_bytes() for name in before} == before


def test_a_stage_that_is_not_promoted_can_end_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train.run(recipe("curriculum.promote_threshold=0.01", "curriculum.unreached=stop"), tmp_path / "run")
    assert len(metrics(tmp_path / "run")) == 5
    said = " ".join(capsys.readouterr().err.split())
    assert "NOT PROMOTED: val_m_fail 0.500 is not below 0.01" in said and "training stops here" in said
    assert (tmp_path / "run" / "model" / "config.json").is_file()


def test_without_checkpoints_only_the_weights_that_may_be_needed_are_kept(finished: Path, tmp_path: Path) -> None:
    train.run(recipe("checkpoint.every=0", "model.reference=start", "learner.kl=0.0"), tmp_path / "run")
    assert kept(tmp_path / "run") == []
    assert len(metrics(tmp_path / "run")) == len(metrics(finished))
