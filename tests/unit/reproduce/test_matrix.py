"""The matrix as data: what it refuses, and the recipes its arms are."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.config import load_recipe
from fairmem.errors import ConfigError
from fairmem.reproduce import arm_overrides, load_matrix, plan_runs
from tests.unit.reproduce.build import TEXT, matrix


def test_an_arm_is_the_recipe_with_its_overrides_and_its_share_of_the_budget(tmp_path: Path) -> None:
    made = matrix(tmp_path)
    grpo = arm_overrides(made, made.groups[0], made.groups[0].arms[0])
    assert grpo == (
        "log.trace_every=0", "credit.rule=grpo", "rollout.local_fraction=0",
        "stages=[{sessions = 8, steps = 100000, tokens = 1000}]",
    )  # fmt: skip
    # The group has twice the budget, its first stage a quarter of that.
    staged = load_recipe(made.recipe, arm_overrides(made, made.groups[1], made.groups[1].arms[1]))
    assert [(stage.sessions, stage.tokens) for stage in staged.stages] == [(4, 500), (8, 1500)]
    assert [stage.conversations_per_step for stage in staged.stages] == [None, 3]
    other = load_recipe(made.recipe, arm_overrides(made, made.groups[1], made.groups[1].arms[1], budget=100))
    assert [stage.tokens for stage in other.stages] == [50, 150]


def test_groups_are_chosen_by_name(tmp_path: Path) -> None:
    made = matrix(tmp_path)
    assert [group.name for group in made.only(["curriculum"]).groups] == ["curriculum"]
    assert made.only([]) == made
    with pytest.raises(ConfigError, match="--only nothing: no such group; expected some of credit, curriculum"):
        made.only(["nothing"])


@pytest.mark.parametrize(
    ("found", "put", "message"),
    [
        ('baseline = "direct"', 'baseline = "dirct"', "baseline 'dirct' is none of its arms direct, stages"),
        ('name = "logo"', 'name = "grpo"', "two arms of one name: grpo, grpo"),
        ('name = "curriculum"', 'name = "credit"', "two groups of one name"),
        ("share = 0.75", "share = 0.7", "shares of its stages add up to 0.95"),
        ("budget = 1000", "budgt = 1000", "budget: Field required"),
        ("recipe = ", "recipe ", "not a matrix of arms in TOML"),
    ],
)
def test_a_matrix_that_is_wrong_is_refused_with_the_place(tmp_path: Path, found: str, put: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        matrix(tmp_path, TEXT.replace(found, put))


def test_no_file_is_no_matrix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a matrix of arms"):
        load_matrix(tmp_path / "nothing.toml")


def test_the_matrix_that_ships_is_that_of_the_paper_over_five_seeds_and_every_arm_of_it_can_run(tmp_path: Path) -> None:
    made = load_matrix()
    of_paper = {"horizon_8", "horizon_16", "horizon_32", "curriculum", "roles", "lambda", "fraction"}
    assert of_paper <= {group.name for group in made.groups}
    assert len(made.seeds) >= 5
    runs = plan_runs(made, made.seeds, tmp_path)  # every recipe is read, and every rule has what it needs
    by_group: dict[str, set[int]] = {}
    for run in runs:
        for group, _ in run.arms:
            by_group.setdefault(group, set()).add(run.tokens)
    assert all(len(budgets) == 1 for budgets in by_group.values()), "arms of a group sample the same tokens"


def test_an_arm_that_cannot_run_is_named_before_anything_runs(tmp_path: Path) -> None:
    made = matrix(tmp_path, TEXT.replace("credit.rule=grpo", "credit.rule=logo"))
    with pytest.raises(ConfigError, match=r"group 'credit', arm 'grpo': credit\.rule is 'logo', which"):
        plan_runs(made, [0], tmp_path)
