"""Arms of several recipes on one test: which runs, what is evaluated once, and the table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fairmem import study
from fairmem.config import load_recipe
from fairmem.errors import ConfigError, DataError
from fairmem.reproduce import Run, common, load_matrix, page, plan_runs, report, run_matrix
from fairmem.reproduce.common import EVALUATED, evaluate_common, lay_out_start
from fairmem.reproduce.matrix import CommonTest
from tests.unit.eval.build import memory, result
from tests.unit.reproduce.build import TEXT, finish, matrix

SYSTEMS = (
    TEXT.split("[[groups]]")[0].replace("budget = 1000", 'budget = 1000\ncounts = "written"\ntitle = "Two systems"')
    + """
[[groups]]
name = "systems"
title = "Two systems"
asks = "Which?"
baseline = "r2"
test = { conversations = 2, sessions = 3, seed = 7 }

[[groups.arms]]
name = "r2"
about = "the matrix's recipe"

[[groups.arms]]
name = "r1"
about = "another"
recipe = "memory_r1_grpo"
"""
)
SCORES = {"r2": 0.5, "r1": 0.75}


def evaluation(path: Path, score: float) -> None:
    """Two conversations of two questions; 100 tokens read and 20 written for each; of 12 operations 10 change."""
    found = result([[score, score], [score, score]])
    answers = tuple(a.model_copy(update={"prompt_tokens": 100, "reply_tokens": 20}) for a in found.answers)
    found.model_copy(update={"answers": answers, "memories": (memory("c0"), memory("c1"))}).save(path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that evaluate, which leave the score of the folder's arm; a start scores 0.25."""
    seen: list[tuple[str, ...]] = []

    def evaluate(words: Sequence[str], log: Path, threads: int) -> int:
        seen.append(tuple(words))
        evaluation(log.parent / EVALUATED, SCORES.get(log.parent.name.split("-")[0], 0.25))
        return 0

    monkeypatch.setattr(common, "run_command", evaluate)
    return seen


def test_arms_of_other_recipes_are_overrides_of_these_with_the_same_budget_and_test(tmp_path: Path) -> None:
    r2, r1 = plan_runs(matrix(tmp_path, SYSTEMS), [0], tmp_path)
    assert (r2.recipe, r1.recipe) == ("memory_r2_small", "memory_r1_grpo")
    assert r2.overrides == r1.overrides and r2.tokens == r1.tokens == 1000
    assert load_recipe(r1.recipe, r1.overrides).stages[0].counts == "written"
    assert r1.test == CommonTest(conversations=2, sessions=3, seed=7)
    # They begin with other models (an extractor that is frozen) under other agents (fewer entries shown).
    assert r2.start is not None and r1.start is not None and r2.start != r1.start
    other = plan_runs(matrix(tmp_path, SYSTEMS.replace("seed = 7", "seed = 8")), [0], tmp_path)
    assert not {run.folder for run in (r1, r2)} & {run.folder for run in other} and other[0].start != r2.start


def trained(runs: Sequence[Run], monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    seen: list[Path] = []

    def train(recipe: str, overrides: Sequence[str], seed: int, folder: Path, jobs: int) -> None:
        assert recipe == next(run.recipe for run in runs if run.folder == folder)
        seen.append(folder)
        finish(folder, 0.0, 1.0)  # by its recipe's own test, which does not count

    monkeypatch.setattr(study, "_train", train)
    return seen


def test_every_run_is_tested_once_and_every_start_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, ...]]
) -> None:
    made = matrix(tmp_path, SYSTEMS)
    runs = plan_runs(made, [0, 1], tmp_path)
    seen = trained(runs, monkeypatch)
    assert not any(run.finished for run in runs)
    assert run_matrix(made, runs, 1, lambda _: None) == {}
    assert all(run.finished for run in runs) and len(seen) == 4 and len(asked) == 6
    words = " ".join(asked[0])
    assert words.startswith(f"eval village --model {runs[0].folder / 'model'} --answerer bundled --score bag")
    assert "--limit 2 --sessions 3 --seed 7" in words
    about = json.loads((Path(str(runs[0].start)) / "model" / "fairmem.json").read_text())
    assert about["agents"] == load_recipe(runs[0].recipe, runs[0].overrides).agents.model_dump(mode="json")
    pair = Path(next(str(run.start) for run in runs if run.recipe == "memory_r1_grpo")) / "model"
    assert sorted(path.name for path in pair.iterdir()) == ["extractor", "manager"]
    for role, asset in (("extractor", "extractor"), ("manager", "base")):
        assert (pair / role / "model.safetensors").resolve().parent.name == asset
    # A run that was trained but not tested is tested by the same command, and not trained again.
    (runs[3].folder / EVALUATED).unlink()
    assert not runs[3].finished
    run_matrix(made, runs, 1, lambda _: None)
    assert len(seen) == 4 and len(asked) == 7


def test_the_report_goes_by_the_common_test_and_has_its_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, ...]]
) -> None:
    made = matrix(tmp_path, SYSTEMS)
    runs = plan_runs(made, [0, 1], tmp_path)
    trained(runs, monkeypatch)
    run_matrix(made, runs, 1, lambda _: None)
    found = report(made, runs, {}, ["--matrix", "systems.toml"])
    r2, r1 = found["groups"][0]["arms"]
    assert (r2["f1"]["mean"], r1["f1"]["mean"], r1["gain"]["mean"]) == (0.5, 0.75, 0.5)
    assert [row["difference"] for row in r1["seeds"]] == [0.25, 0.25]
    # 10 of 12 operations changed something; 100 + 20 tokens per question; 50 tokens of memory.
    assert (r1["ops"]["mean"], r1["answer_tokens"]["mean"], r1["bank_tokens"]["mean"]) == (10.0, 120.0, 50.0)
    json.dumps(found, allow_nan=False)
    text = page(found)
    assert text.startswith("# Two systems\n") and "(or the recipe it names)" in text
    assert "until the roles that write memory, frozen or not, have sampled as many tokens as the group says" in text
    assert "All are tested on the same 2 conversations of 3 sessions" in text
    row = next(line for line in text.splitlines() if line.startswith("| r1 |"))
    assert [cell.strip() for cell in row.split("|")[1:4]] == ["r1", "`memory_r1_grpo`", "0.750 [0.750, 0.750]"]
    head = next(line for line in text.splitlines() if line.startswith("| arm |"))
    assert head.count("|") == row.count("|")


def test_an_evaluation_that_fails_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(words: Sequence[str], log: Path, threads: int) -> int:
        log.write_text("loading\nno room left\n")
        return 3

    monkeypatch.setattr(common, "run_command", fail)
    with pytest.raises(DataError, match=r"the common test ended with status 3: no room left \(.*common\.log\)"):
        evaluate_common(CommonTest(), tmp_path, 1)


def test_a_start_that_is_not_in_a_folder_cannot_be_tested(tmp_path: Path) -> None:
    recipe = load_recipe("memory_r2_small", ["model.path=openai:gpt"])
    with pytest.raises(ConfigError, match="a common test needs one model, in a folder here"):
        lay_out_start(recipe, tmp_path)


def test_the_matrix_of_the_four_systems_ships_and_its_arms_can_run(tmp_path: Path) -> None:
    made = load_matrix(Path("recipes"))
    assert [group.name for group in made.groups] == ["systems", "memory_r1", "questions"] and len(made.seeds) >= 5
    runs = plan_runs(made, [0], tmp_path)
    assert {run.tokens for run in runs} == {made.budget} and len({str(run.test) for run in runs}) == 2
    systems = [run.recipe for run in runs if any(group == "systems" for group, _ in run.arms)]
    assert systems == ["memory_r2_small", "memory_r1_grpo", "memory_r1_ppo", "mem_alpha_small"]
    asked = {
        arm: load_recipe(run.recipe, run.overrides).data.questions
        for run in runs
        for group, arm in run.arms
        if group == "questions"
    }
    assert asked == {"questions_152": 152, "questions_1520": 1520, "questions_unlimited": 0}
    assert {run.test is None for run in runs if run.arms[0][0] == "questions"} == {True}  # one recipe, and its own test
    with pytest.raises(ConfigError, match=r"shipped: matrix, recipes"):
        load_matrix(tmp_path / "none.toml")
