"""Whether a recipe is still the one that a stored run was made with."""

from __future__ import annotations

from typing import Any

import pytest

from fairmem.config import Recipe, changed, load_recipe


def stored(**sections: Any) -> dict[str, Any]:
    """What a run of `memory_r2_small` keeps of its recipe, with values of sections changed."""
    dumped = load_recipe("memory_r2_small", []).model_dump(mode="json", exclude={"name", "seed"})
    return {**dumped, **{name: {**dumped[name], **values} for name, values in sections.items()}}


@pytest.fixture
def recipe() -> Recipe:
    """The same recipe under another name and seed."""
    return load_recipe("memory_r2_small", ["seed=7", "name=other"])


def test_a_recipe_is_that_of_its_own_run_whatever_its_name_and_seed(recipe: Recipe) -> None:
    assert changed(stored(), recipe) == []


def test_what_differs_is_named_with_both_values(recipe: Recipe) -> None:
    assert changed(stored(learner={"lr": 0.5}, credit={"rule": "grpo"}), recipe) == [
        'credit.rule: "grpo" there, "logo" here',
        "learner.lr: 0.5 there, 0.001 here",
    ]
    assert changed({"learner": {"gone": 1}}, recipe) == ["learner.gone: 1 there, nothing here"]


def test_rounding_and_keys_that_were_added_since_do_not_count(recipe: Recipe) -> None:
    settings = stored(learner={"pack_tokens": 9999, "micro_tokens": 9999})
    del settings["drift"], settings["stages"][0]["steps"]
    assert changed(settings, recipe) == []


def test_another_number_of_stages_or_another_stage_counts(recipe: Recipe) -> None:
    settings = stored()
    more = {**settings, "stages": [*settings["stages"], settings["stages"][0]]}
    assert "stages: 2 there, 1 here" in changed(more, recipe)
    longer = load_recipe("memory_r2_small", ["stages=[{sessions=8,steps=10},{sessions=16,steps=1}]"])
    assert changed(settings, longer) == ["stages: 1 there, 2 here"]
    settings["stages"][0]["sessions"] = 16
    assert changed(settings, recipe) == ["stages.0.sessions: 16 there, 8 here"]
