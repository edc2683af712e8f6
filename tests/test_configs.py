"""Every recipe that ships loads, means what it says, and is spelled with valid keys only."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fairmem.config import find_recipe, load_recipe, save_resolved, shipped_recipes

FOLDER = Path(__file__).parents[1] / "recipes"
RECIPES = sorted(FOLDER.glob("*.toml"))


def test_the_recipe_of_make_train_ships() -> None:
    assert FOLDER / "memory_r2_small.toml" in RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads_and_its_resolved_form_is_the_same_recipe(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    save_resolved(recipe, tmp_path / "recipe.toml")
    assert load_recipe(tmp_path / "recipe.toml") == recipe


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_found_by_its_name_and_names_its_run_after_itself(path: Path) -> None:
    assert path.stem in shipped_recipes()
    assert find_recipe(path.stem).read_bytes() == path.read_bytes()
    assert load_recipe(path).name == path.stem


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_opens_with_what_it_is_for(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_resolving_keeps_every_value_that_the_file_states(path: Path, tmp_path: Path) -> None:
    save_resolved(load_recipe(path), tmp_path / "recipe.toml")
    stated = tomllib.loads(path.read_text(encoding="utf-8"))
    resolved = tomllib.loads((tmp_path / "recipe.toml").read_text(encoding="utf-8"))
    _assert_within(stated, resolved, path.name)


def _assert_within(part: object, whole: object, where: str) -> None:
    if isinstance(part, dict) and isinstance(whole, dict):
        for name, item in part.items():
            _assert_within(item, whole[name], f"{where}.{name}")
    elif isinstance(part, list) and isinstance(whole, list):
        assert len(part) == len(whole), where
        for index, item in enumerate(part):
            _assert_within(item, whole[index], f"{where}.{index}")
    else:
        assert part == whole, where
