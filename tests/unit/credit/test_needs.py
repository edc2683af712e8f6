"""Recipes that cannot give what their rule needs are refused with one line that names the key."""

from __future__ import annotations

import pytest

from fairmem.config import Recipe, parse_recipe
from fairmem.credit import CREDIT_RULES, Need, Rule, check_rule
from fairmem.errors import ConfigError


def recipe(*overrides: str) -> Recipe:
    return parse_recipe({}, overrides)


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_rule(recipe(*overrides))
    assert "\n" not in str(caught.value)
    return str(caught.value)


TO_THE_END = ("rollout.local_horizon=end",)
GIVES = {
    "shrunk_logo": ("credit.scale=mean",),
    "tree": TO_THE_END,
    "vine": ("rollout.state_values=true",),
    "vine_continue": (*TO_THE_END, "rollout.local_sources=all", "rollout.local_fraction=1.0"),
    "counterfactual": ("rollout.state_values=true",),
    "counterfactual_op": ("rollout.op_values=true",),
    "shrunk_counterfactual": ("rollout.state_values=true",),
    "clone": (
        "rollout.unit=demonstration",
        "learner.loss=imitation",
        "model.train=manager",
        "rollout.local_fraction=0",
    ),
}
"""What a recipe sets besides the rule; nothing for the others."""


@pytest.mark.parametrize("name", CREDIT_RULES)
def test_a_recipe_that_gives_what_the_rule_needs_passes(name: str) -> None:
    check_rule(recipe(f"credit.rule={name}", *GIVES.get(name, ())))


def test_an_unknown_rule_is_refused_with_the_known_ones() -> None:
    assert refusal("credit.rule=best").startswith(
        "credit.rule is 'best': unknown credit rule, expected one of grpo, dr_grpo, rloo,"
    )


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("credit.rule=logo", "rollout.local_fraction=0.0"), "rollout.local_fraction = 0 rolls none out again"),
        # 3 % of 8 sessions is none.
        (("credit.rule=logo", "rollout.local_fraction=0.03"), 'raise it, or set credit.rule = "grpo"'),
        (("credit.rule=vine",), "set rollout.state_values = true"),
        (("credit.rule=counterfactual",), "set rollout.state_values = true"),
        (("credit.rule=counterfactual_op",), "set rollout.op_values = true"),
        (
            ("credit.rule=counterfactual_op", "rollout.op_values=true", "agents.roles=writer"),
            "operations on a structured memory rewrite one another's text",
        ),
        (("credit.rule=counterfactual_op", "credit.scope=trajectory"), 'set credit.scope = "session"'),
        (("credit.rule=tree",), "but rollout.local_horizon = 0 stops them before session 8; "),
        (("credit.rule=tree",), 'set rollout.local_horizon = "end"'),
        (("credit.rule=tree", "rollout.local_horizon=6"), "stops them before session 8"),
        (("credit.rule=tree", *TO_THE_END, "rollout.questions=session"), 'set rollout.questions = "cumulative"'),
        (("credit.rule=tree", *TO_THE_END, "credit.local_weight=0.0"), "credit.local_weight is 0"),
        (("credit.rule=tree", *TO_THE_END, "rollout.local_reuse=true"), "set rollout.local_reuse = false"),
        (
            ("credit.rule=tree", *TO_THE_END, "rollout.max_local_questions=4"),
            "rollout.max_local_questions = 4 is not rollout.max_questions = 0; leave it out",
        ),
        (("credit.rule=vine_continue", *TO_THE_END), 'set rollout.local_sources = "all"'),
        (
            ("credit.rule=vine_continue", *TO_THE_END, "rollout.local_sources=all"),
            "rollout.local_fraction = 0.5 leaves sessions out; set rollout.local_fraction = 1.0",
        ),
        (("credit.rule=shrunk_logo",), 'set credit.scale = "mean" or "loo"'),
        (("credit.rule=per_turn", "credit.scope=trajectory"), 'set credit.scope = "session"'),
        (("credit.rule=ppo", "credit.scope=trajectory"), 'set credit.scope = "session"'),
    ],
)
def test_what_is_missing_is_named_with_the_key_to_change(overrides: tuple[str, ...], says: str) -> None:
    message = refusal(*overrides)
    assert message.startswith(f"credit.rule is '{overrides[0].partition('=')[2]}', which") and says in message


def test_every_stage_counts() -> None:
    stages = "stages=[{sessions = 4}, {sessions = 16}]"
    assert "= 7 stops them before session 16" in refusal("credit.rule=tree", "rollout.local_horizon=7", stages)
    check_rule(recipe("credit.rule=tree", "rollout.local_horizon=15", stages))
    # 4 % of 4 sessions is none, of 16 it is one: enough for LoGo.
    check_rule(recipe("rollout.local_fraction=0.04", stages))
    without = "stages=[{local_fraction = 0.0}, {local_fraction = 0.0}]"
    assert "rolls none out again" in refusal("credit.rule=logo", without)


def test_a_rule_of_ones_own_declares_its_needs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CREDIT_RULES, "mine", Rule(CREDIT_RULES["grpo"].apply, frozenset({Need.STATE_VALUES})))
    assert refusal("credit.rule=mine").startswith("credit.rule is 'mine', which needs the score of the memory")
    check_rule(recipe("credit.rule=mine", "rollout.state_values=true"))
