"""What a recipe cannot say together with single decisions, demonstrations, or an answerer that learns.

Each of the three leaves out something that whole conversations have: sessions to roll out again, a size of memory to
charge for, a group to compare with. A key that would do nothing is refused, not passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairmem.config.recipe import Recipe

Conflict = tuple[bool, str, str]
"""(whether it is so, what the recipe asks for, what it cannot go with and what to do)."""


def unit_conflicts(recipe: Recipe) -> Iterator[Conflict]:
    """The conflicts of `rollout.unit` and of `model.train = "answerer"`."""
    bandit, answers = recipe.rollout.unit == "bandit", recipe.model.train == "answerer"
    yield (
        bandit and recipe.model.train != "manager",
        'rollout.unit is "bandit"',
        f"model.train is '{recipe.model.train}': a turn's facts are given, so that only the manager decides; use "
        "model.train=manager",
    )
    yield (
        answers and recipe.rollout.unit != "conversation",
        "model.train is 'answerer'",
        f'rollout.unit is "{recipe.rollout.unit}", which is of roles that write; use rollout.unit=conversation',
    )
    if bandit:
        yield from _alone(recipe, 'rollout.unit is "bandit"', "one decision")
    if answers:
        yield from _alone(recipe, "model.train is 'answerer'", "one answer")
        yield (
            recipe.model.backbones == "separate",
            "model.backbones is 'separate'",
            "model.train is 'answerer', whose model is that of answerer.path; use model.backbones=shared",
        )
    yield from _imitation(recipe)


def _alone(recipe: Recipe, found: str, what: str) -> Iterator[Conflict]:
    """What has no meaning where `what` is all that a rollout does."""
    stages = [recipe.at(stage) for stage in recipe.stages]
    yield (
        any(stage.rollout.local_fraction for stage in stages),
        found,
        f"rollout.local_fraction is above 0, and {what} has no session to roll out again; use rollout.local_fraction=0",
    )
    yield (
        recipe.rollout.state_values,
        found,
        f"rollout.state_values is on, and {what} leaves no memory on the way; use rollout.state_values=false",
    )
    yield (
        recipe.reward.form != "memory_r2" or any(stage.reward.compression_lambda for stage in stages),
        found,
        f"{what} is rewarded by the answer alone; use reward.form=memory_r2 and reward.compression_lambda=0",
    )


def _imitation(recipe: Recipe) -> Iterator[Conflict]:
    """Demonstrations, the rule that gives them credit and the loss that learns from it come together."""
    parts = {
        'rollout.unit is "demonstration"': recipe.rollout.unit == "demonstration",
        "credit.rule is 'clone'": recipe.credit.rule == "clone",
        "learner.loss is 'imitation'": recipe.learner.loss == "imitation",
    }
    given = [found for found, so in parts.items() if so]
    yield (
        0 < len(given) < len(parts),
        " and ".join(given),
        "imitation needs rollout.unit=demonstration, credit.rule=clone and learner.loss=imitation together",
    )
    if len(given) < len(parts):
        return
    found, train, teacher = given[0], recipe.model.train, recipe.teacher.path
    yield (
        any(recipe.at(stage).rollout.local_fraction for stage in recipe.stages),
        found,
        "rollout.local_fraction is above 0, and a demonstration is not rolled out again; use rollout.local_fraction=0",
    )
    yield (
        teacher == "policy",
        found,
        "teacher.path is 'policy', and a model that imitates itself learns nothing; use rules, a folder or openai:NAME",
    )
    yield (
        teacher == "rules" and train != "manager",
        found,
        f"teacher.path is 'rules', which decides as a manager, and model.train is '{train}'; use model.train=manager",
    )
