from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fairmem.cli.reference import recipe_keys
from fairmem.config import Recipe

DOCS = Path(__file__).parents[3] / "docs"


def _keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in section.model_fields.items():
        annotation: Any = field.annotation
        if name == "stages":
            keys += _keys(annotation.__args__[0], "stages.N.")
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            keys += _keys(annotation, f"{name}.")
        else:
            keys.append(prefix + name)
    return keys


def test_the_page_of_recipe_keys_is_as_the_code_makes_it() -> None:
    assert (DOCS / "recipe-keys.md").read_text(encoding="utf-8") == recipe_keys(), "run: make docs"


def test_a_bar_in_a_meaning_does_not_end_its_cell() -> None:
    assert "in multiples of \\|A\\| (> 1)" in recipe_keys()


def test_every_key_of_a_recipe_is_on_the_page_once() -> None:
    page = recipe_keys()
    listed = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert listed == sorted(set(listed), key=listed.index)
    assert set(listed) == set(_keys(Recipe))


@pytest.mark.parametrize(
    "row",
    [
        "| `seed` | whole number from 0 | `0` | ",
        "| `rollout.temperature` | number above 0 | `1.0` | ",
        "| `data.difficulty` | number from 0 to 1 | `0.5` | ",
        "| `data.train` | list of text | `[]` | ",
        '| `credit.scale` | `std`, `mean`, `loo` | `"std"` | ',
        "| `stages.N.global_group` | whole number from 2 | the recipe's own | ",
        "| `log.wandb` | `true` or `false` | `false` | ",
        "| `learner.dual_clip` | number from 0 | `3.0` | Bound on the loss",
    ],
)
def test_a_row_says_what_a_key_takes_and_what_it_is_without_one(row: str) -> None:
    assert row in recipe_keys()
