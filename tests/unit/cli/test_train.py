from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.cli import main, parse, train
from fairmem.config import RESOLVED, load_recipe, save_resolved
from fairmem.errors import ConfigError


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text('name = "small"\n[learner]\nlr = 0.5\n')
    return path


def _refusal(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main(["train", *map(str, argv)]) == 2
    return capsys.readouterr().err


def test_an_unknown_key_is_refused_before_anything_is_written(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = _refusal(capsys, recipe, "learner.lrr=1", "--out", tmp_path / "runs")
    assert "unknown key 'learner.lrr'; did you mean 'learner.lr'?" in message
    assert not (tmp_path / "runs").exists()


def test_an_override_in_the_place_of_the_recipe_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert "RECIPE comes before its overrides" in _refusal(capsys, "seed=3")


def test_a_run_is_not_written_over(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small").mkdir()
    save_resolved(load_recipe(recipe), tmp_path / "small" / RESOLVED)
    message = _refusal(capsys, recipe, "--out", tmp_path)
    assert "already holds a run; go on with --resume, or choose another --name" in message


def test_resuming_what_is_not_there_is_refused(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no run to resume there" in _refusal(capsys, recipe, "--out", tmp_path, "--resume", "--name", "other")


def test_resuming_with_another_recipe_names_what_differs(recipe: Path, tmp_path: Path) -> None:
    save_resolved(load_recipe(recipe), tmp_path / RESOLVED)
    train.check_resumable(load_recipe(recipe), tmp_path)
    with pytest.raises(ConfigError, match=r"learner\.lr: 0\.5 there, 0\.25 here; stages\.0\.steps: 24 there, 3 here"):
        train.check_resumable(load_recipe(recipe, ["learner.lr=0.25", "stages.0.steps=3"]), tmp_path)


def test_a_name_that_is_no_folder_name_is_refused(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 'name: found "../x" (string)' in _refusal(capsys, recipe, "--name", "../x")


def test_an_interrupted_run_says_up_to_which_step_it_is_kept(recipe: Path, tmp_path: Path) -> None:
    args = parse(["train", str(recipe), "--out", str(tmp_path)])
    assert train.interrupted(args) == "nothing was trained yet"
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert train.interrupted(args).endswith("metrics up to step 2, but no checkpoint was written yet")
    for step in (1, 2):
        (tmp_path / "small" / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
    assert train.interrupted(args).endswith("up to step 2 and the checkpoint step-000002; go on with --resume")


def test_of_a_run_that_is_trained_stage_by_stage_the_last_stage_is_named(recipe: Path, tmp_path: Path) -> None:
    args = parse(["train", str(recipe), "--out", str(tmp_path), "--engine", "verl"])
    for stage, step in ((1, 2), (2, 3)):
        folder = tmp_path / "small" / "stages" / str(stage)
        (folder / "checkpoints" / "verl" / "global_step_1").mkdir(parents=True)
        (folder / "metrics.jsonl").write_text(f'{{"step": {step}}}\n')
    said = train.interrupted(args)
    assert said.endswith("up to step 3 and the checkpoint stages/2/checkpoints/verl/global_step_1; go on with --resume")
