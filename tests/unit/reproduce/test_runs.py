"""Which runs a matrix has, which are left, and that a failure stops nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from fairmem import study
from fairmem.errors import ConfigError, DataError
from fairmem.reproduce import listing, plan_runs, run_matrix
from tests.unit.reproduce.build import TEXT, finish, matrix


def test_every_arm_has_its_first_seed_before_any_has_its_second(tmp_path: Path) -> None:
    runs = plan_runs(matrix(tmp_path), [3, 5], tmp_path)
    assert [(run.arms[0][1], run.seed) for run in runs] == [
        (arm, seed) for seed in (3, 5) for arm in ("grpo", "logo", "direct", "stages")
    ]
    assert runs[0].folder.name.startswith("grpo-") and runs[0].folder.name.endswith("-s3")


def test_arms_that_are_the_same_recipe_share_their_runs(tmp_path: Path) -> None:
    # With one budget for all, the arm `direct` is `logo`.
    runs = plan_runs(matrix(tmp_path, TEXT.replace("budget = 2.0", "budget = 1.0")), [0], tmp_path)
    assert [run.arms for run in runs] == [
        (("credit", "grpo"),),
        (("credit", "logo"), ("curriculum", "direct")),
        (("curriculum", "stages"),),
    ]


def test_another_budget_is_another_run(tmp_path: Path) -> None:
    made = matrix(tmp_path)
    one, other = (plan_runs(made, [0], tmp_path, budget) for budget in (1000, 2000))
    assert not {run.folder for run in one} & {run.folder for run in other}
    assert [run.tokens for run in other] == [2000, 2000, 4000, 4000]


def test_finished_runs_are_left_alone_and_a_failure_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = matrix(tmp_path).only(["credit"])
    runs = plan_runs(made, [0, 1], tmp_path)
    finish(runs[0].folder, 0.25, 0.5)
    trained: list[Path] = []

    def train(recipe: str, overrides: Sequence[str], seed: int, folder: Path, jobs: int) -> None:
        trained.append(folder)
        assert (recipe, tuple(overrides)) == ("memory_r2_small", next(r for r in runs if r.folder == folder).overrides)
        if folder == runs[1].folder:
            raise DataError("the machine caught fire")
        (folder / "checkpoints").mkdir(parents=True)
        finish(folder, 0.25, 0.75)

    monkeypatch.setattr(study, "_train", train)
    said: list[str] = []
    assert run_matrix(made, runs, 1, said.append) == {runs[1].folder: "the machine caught fire"}
    assert trained == [run.folder for run in runs[1:]]
    assert said[0].startswith("4 runs, 1 finished; about ") and "credit/logo: FAILED: the machine" in said[2]
    assert [text[:18] for text in said if text.startswith("4 runs, ")] == [
        "4 runs, 1 finished", "4 runs, 2 finished", "4 runs, 3 finished",
    ]  # fmt: skip
    assert not (runs[2].folder / "checkpoints").exists()  # of no use once a run is over
    run_matrix(made, runs, 1, said.append)
    assert trained[3:] == [runs[1].folder]  # the same command does what is left


def test_time_is_estimated_from_the_matrix_and_then_from_what_is_finished(tmp_path: Path) -> None:
    made = matrix(tmp_path).only(["credit"])
    runs = plan_runs(made, [0, 1], tmp_path)
    # 4 runs of 1,000 tokens at 6 s, two at a time.
    assert listing(made, runs, 2).endswith(
        "4 runs (0 more are shared by arms), 0 finished\nabout 12s left with 2 at a time\n"
    )
    finish(runs[0].folder, 0.25, 0.5, steps=[500] * 4)
    # That one took 24 s; three are left.
    text = listing(made, runs, 1)
    assert "1 finished\nabout 1m 12s left with 1 at a time" in text
    assert "  grpo                    1/2 runs, 1,000 tokens and about 24s each; no rerollouts" in text


def test_wrong_seeds_and_jobs_are_refused(tmp_path: Path) -> None:
    made = matrix(tmp_path)
    with pytest.raises(ConfigError, match="--seeds is 1,1, expected different"):
        plan_runs(made, [1, 1], tmp_path)
    with pytest.raises(ConfigError, match="--jobs is 0"):
        run_matrix(made, plan_runs(made, [1], tmp_path), 0, lambda text: None)
