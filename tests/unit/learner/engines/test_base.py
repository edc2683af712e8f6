from __future__ import annotations

import importlib.util

import pytest

from fairmem.config import Recipe, load_recipe
from fairmem.errors import ConfigError, MissingExtraError
from fairmem.learner.engines import ENGINES, open_engine

ONE = "stages=[{sessions = 2, steps = 1}]"


def recipe(*overrides: str) -> Recipe:
    return load_recipe("memory_r2_small", [ONE, *overrides])


def test_the_embedded_engine_has_no_loop_of_its_own() -> None:
    assert open_engine("embedded", recipe()) is None


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="engine 'deepspeed': not known, expected one of embedded, verl, trl"):
        open_engine("deepspeed", recipe())


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "embedded"])
@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        (["stages=[{sessions = 1, steps = 0}]"], "the recipe has no stage with steps"),
        (["stages=[{steps = 1, tokens = 9}]"], "a stage has a budget of tokens"),
        (
            ["stages=[{steps = 4}]", "eval.every=3"],
            "eval.every is 3, but only --engine embedded validates within a stage",
        ),
        (["stages=[{steps = 1}, {steps = 2}]"], "model.reference is 'start' with several stages"),
        (["model.backbones=separate"], "model.backbones is 'separate'"),
        (["model.train=manager"], "model.train is 'manager'"),
        (["model.reference=some/folder"], "model.reference is 'some/folder'"),
        (["model.lora_rank=8"], "model.lora_rank is 8"),
        (["model.path=openai:x"], "model.path is 'openai:x'"),
        (["credit.rule=hcapo"], "credit.rule is 'hcapo'"),
        (["credit.rule=ppo"], "credit.rule is 'ppo'"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_with_the_key_and_the_way_out(
    engine: str, overrides: list[str], found: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine(engine, recipe(*overrides))
    said = str(caught.value)
    assert found in said and ", but " in said and "\n" not in said


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "embedded"])
@pytest.mark.parametrize(
    "overrides",
    [
        ["stages=[{steps = 1}, {steps = 2}]", "model.reference=stage"],
        ["stages=[{steps = 1}, {steps = 2}]", "learner.kl=0"],
        ["stages=[{steps = 4}, {steps = 2}]", "eval.every=4", "model.reference=stage"],
    ],
)
def test_stages_and_a_score_at_their_ends_are_no_reason_to_refuse(engine: str, overrides: list[str]) -> None:
    try:
        open_engine(engine, recipe(*overrides))
    except MissingExtraError:  # said after every refusal
        assert importlib.util.find_spec(engine) is None


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        (["learner.minibatches=2"], "learner.minibatches"),
        (["credit.local_weight=0.5"], "credit.local_weight is 0.5"),
        (
            ["credit.rule=counterfactual_op", "rollout.op_values=true"],
            "it credits tokens, and TRL's loss a reply as one",
        ),
        (["learner.aggregation=token"], "learner.aggregation is 'token'"),
    ],
)
def test_trl_refuses_what_its_loss_has_no_place_for(overrides: list[str], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        open_engine("trl", recipe(*overrides))


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "embedded"])
def test_an_engine_that_is_not_installed_says_the_line_that_installs_it(engine: str) -> None:
    if importlib.util.find_spec(engine) is not None:
        pytest.skip(f"{engine} is installed here")
    with pytest.raises(MissingExtraError, match=rf"pip install 'fairmem\[{engine}\]'"):
        open_engine(engine, recipe())
