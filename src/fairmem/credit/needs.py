"""Refuses a recipe that cannot give what its credit rule needs, before anything runs."""

from __future__ import annotations

from collections.abc import Callable

from fairmem.config import Recipe, RolloutConfig
from fairmem.credit.rule import Need
from fairmem.credit.table import CREDIT_RULES
from fairmem.errors import ConfigError


def check_rule(recipe: Recipe) -> None:
    """Check that `credit.rule` is known and that the recipe gives all it needs.

    Raises:
        ConfigError: it does not; one line that says what is missing and which key to change.
    """
    name, scale = recipe.credit.rule, recipe.credit.scale
    if name not in CREDIT_RULES:
        known = ", ".join(CREDIT_RULES)
        raise ConfigError(f"credit.rule is '{name}': unknown credit rule, expected one of {known}")
    for need in Need:
        lack = _LACK[need](recipe) if need in CREDIT_RULES[name].needs else None
        if lack:
            raise ConfigError(f"credit.rule is '{name}', {lack}")
    if name == "shrunk_logo" and scale == "std":
        raise ConfigError(
            "credit.rule is 'shrunk_logo', which weighs groups by their measured variances, but credit.scale is 'std', "
            'which makes all variances 1; set credit.scale = "mean" or "loo"'
        )
    if name == "tree" and not recipe.credit.local_weight:
        raise ConfigError(
            "credit.rule is 'tree', which compares rollouts with rerollouts, but credit.local_weight is 0 and leaves "
            "the rerollouts out; set it above 0"
        )


def _stages(recipe: Recipe) -> list[tuple[int, RolloutConfig]]:
    """(sessions, rollout settings) of every stage."""
    return [(stage.sessions, recipe.at(stage).rollout) for stage in recipe.stages]


def _session_rewards(recipe: Recipe) -> str | None:
    if recipe.credit.scope == "session":
        return None
    return f"which sets credit per session, but credit.scope is '{recipe.credit.scope}'; set credit.scope = \"session\""


def _forks(recipe: Recipe) -> str | None:
    if any(rollout.rerolled(sessions) for sessions, rollout in _stages(recipe)):
        return None
    fraction = recipe.rollout.local_fraction
    return (
        f"which compares rerollouts of one session, but rollout.local_fraction = {fraction:g} rolls none out again; "
        'raise it, or set credit.rule = "grpo"'
    )


def _state_values(recipe: Recipe) -> str | None:
    if recipe.rollout.state_values:
        return None
    return (
        "which needs the score of the memory after every session, but rollout.state_values is false; "
        "set rollout.state_values = true (quizzes only, nothing more is generated)"
    )


def _op_values(recipe: Recipe) -> str | None:
    what = "which needs the score of the memory without each operation"
    if recipe.agents.roles == "writer":
        return (
            f"{what}, but agents.roles is 'writer': operations on a structured memory rewrite one another's text, so "
            'that none can be left out; set agents.roles = "two" or "single", or credit.rule = "counterfactual"'
        )
    if not recipe.rollout.op_values:
        return (
            f"{what}, but rollout.op_values is false; set rollout.op_values = true "
            "(quizzes only, nothing more is generated)"
        )
    return None


def _ends(recipe: Recipe, what: str) -> str | None:
    """What keeps rerollouts from being played to the end and asked what whole rollouts are asked."""
    rollout, longest = recipe.rollout, max(sessions for sessions, _ in _stages(recipe))
    asked = f"{what} and are asked what whole rollouts are asked"
    if rollout.local_horizon != "end" and rollout.local_horizon < longest - 1:
        return (
            f"{what}, but rollout.local_horizon = {rollout.local_horizon} stops them before session {longest}; "
            'set rollout.local_horizon = "end"'
        )
    if rollout.questions != "cumulative":
        return f"{asked}, but rollout.questions is '{rollout.questions}'; set rollout.questions = \"cumulative\""
    if rollout.max_local_questions not in (None, rollout.max_questions):
        return (
            f"{asked}, but rollout.max_local_questions = {rollout.max_local_questions} is not "
            f"rollout.max_questions = {rollout.max_questions}; leave it out"
        )
    if rollout.local_reuse:
        return f"{what}; a rollout's own sessions are among them already, so set rollout.local_reuse = false"
    return None


def _tree(recipe: Recipe) -> str | None:
    return _ends(recipe, "which makes one tree of rollouts and rerollouts that go on to the end")


def _continuations(recipe: Recipe) -> str | None:
    what = "which values every memory by rerollouts from it that go on to the end"
    rollout = recipe.rollout
    if rollout.local_sources != "all":
        return f"{what}, but rollout.local_sources is '{rollout.local_sources}'; set rollout.local_sources = \"all\""
    for sessions, settings in _stages(recipe):
        if settings.rerolled(sessions) < sessions:
            return (
                f"{what}, but rollout.local_fraction = {settings.local_fraction:g} leaves sessions out; "
                "set rollout.local_fraction = 1.0"
            )
    return _ends(recipe, what)


def _demonstrations(recipe: Recipe) -> str | None:
    if recipe.rollout.unit == "demonstration":
        return None
    return (
        f"which imitates a teacher, but rollout.unit is '{recipe.rollout.unit}'; set rollout.unit = "
        '"demonstration" and learner.loss = "imitation"'
    )


def _given(recipe: Recipe) -> str | None:
    """Nothing is lacking: every trace has it."""
    del recipe
    return None


_LACK: dict[Need, Callable[[Recipe], str | None]] = {
    Need.SESSION_REWARDS: _session_rewards,
    Need.FORKS: _forks,
    Need.ANCHORS: _given,
    Need.STATE_VALUES: _state_values,
    Need.OP_VALUES: _op_values,
    Need.CONTINUATIONS: _continuations,
    Need.TREE: _tree,
    Need.CRITIC: _given,
    Need.HINDSIGHT_LOGPROB: _given,
    Need.DEMONSTRATIONS: _demonstrations,
    Need.PROVENANCE: _given,
}
"""Need -> why a recipe cannot give it, as the second half of a sentence; None if it can."""
