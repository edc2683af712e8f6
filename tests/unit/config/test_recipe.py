from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fairmem.config import (
    LearnerConfig,
    Recipe,
    StageConfig,
    find_recipe,
    load_recipe,
    parse_recipe,
    parse_value,
    save_resolved,
)
from fairmem.errors import ConfigError


def _message(data: dict[str, Any], *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_recipe(data, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _sections(section: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [f.annotation for f in section.model_fields.values()]
    below = [s for a in inner if isinstance(a, type) and issubclass(a, BaseModel) for s in _sections(a)]
    return [section, *below]


def test_an_empty_recipe_is_the_vetted_small_setting() -> None:
    recipe = parse_recipe({})
    assert (recipe.rollout.global_group, recipe.rollout.local_group, recipe.credit.rule) == (8, 4, "logo")
    assert recipe.stages == (StageConfig(sessions=8, steps=24),)
    assert recipe.steps == 24
    assert "adversarial" not in recipe.eval.categories and len(recipe.eval.categories) == 5


def test_every_field_says_what_it_means() -> None:
    for section in [*_sections(Recipe), StageConfig]:
        assert section.__doc__
        for name, field in section.model_fields.items():
            is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
            assert is_section or name == "stages" or field.description, f"{section.__name__}.{name}"


def test_an_unknown_key_is_named_with_its_nearest_and_the_valid_ones() -> None:
    message = _message({"learner": {"warmup_stps": 3}})
    assert "unknown key 'learner.warmup_stps'; did you mean 'learner.warmup_steps'?" in message
    assert "Valid keys of section 'learner': lr, betas, weight_decay, warmup_steps," in message


def test_a_key_in_the_wrong_section_is_sent_to_the_right_one() -> None:
    assert "unknown key 'lr'; did you mean 'learner.lr'?" in _message({}, "lr=1e-3")
    assert "unknown key 'learner.global_group'; did you mean 'rollout.global_group'?" in _message(
        {"learner": {"global_group": 4}}
    )


def test_an_unknown_key_of_a_stage_is_named_with_its_place() -> None:
    message = _message({"stages": [{"sessions": 8}, {"sesions": 16}]})
    assert "unknown key 'stages.1.sesions'; did you mean 'stages.1.sessions'?" in message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"rollout": {"global_group": "8"}}, 'rollout.global_group: found "8" (string), expected integer'),
        (
            {"rollout": {"global_group": 1}},
            "rollout.global_group: found 1 (integer), expected greater than or equal to 2",
        ),
        ({"seed": True}, "seed: found true (boolean), expected integer"),
        ({"learner": 3}, "learner: found 3 (integer), expected a section"),
        ({"learner": {"betas": [0.9]}}, "learner.betas: found [0.9] (list), expected more items"),
        ({"stages": []}, "stages: found [] (list), expected at least 1 item(s)"),
        ({"credit": {"scale": "sd"}}, "credit.scale: found \"sd\" (string), expected 'std', 'mean' or 'loo'"),
        ({"name": "../x"}, 'name: found "../x" (string), expected letters, digits'),
        ({"learner": {"dual_clip": 0.5}}, "learner.dual_clip must be above 1, or 0 to turn it off; found 0.5"),
        ({"learner": {"lr": float("nan")}}, "learner.lr: found nan (number), expected"),
        (
            {"rollout": {"local_horizon": "last"}},
            "rollout.local_horizon: found \"last\" (string), expected integer or 'end'",
        ),
        (
            {"rollout": {"local_horizon": -1}},
            "rollout.local_horizon: found -1 (integer), expected greater than or equal to 0 or 'end'",
        ),
        ({"data": {"train": ["a", 3]}}, "data.train.1: found 3 (integer), expected string"),
    ],
)
def test_a_wrong_value_says_where_what_was_found_and_what_was_expected(data: dict[str, Any], expected: str) -> None:
    assert expected in _message(data)


def test_further_faults_are_counted() -> None:
    assert _message({"seed": "a", "name": 3}).endswith("(and 1 more)")


def test_a_whole_number_is_accepted_where_a_number_is_expected() -> None:
    assert parse_recipe({"rollout": {"temperature": 1}}).rollout.temperature == 1.0


def test_overrides_reach_sections_stages_and_lists() -> None:
    recipe = parse_recipe(
        {"learner": {"lr": 0.5}},
        ["learner.lr=1e-3", "stages.0.steps=2", "data.train=[conv-43, conv-47]", "data.path=../x y.json", "seed=7"],
    )
    assert recipe.learner.lr == 1e-3
    assert recipe.stages == (StageConfig(steps=2),)
    assert recipe.data.train == ("conv-43", "conv-47")
    assert recipe.data.path == "../x y.json"
    assert recipe.seed == 7


def test_the_last_of_two_overrides_wins() -> None:
    assert parse_recipe({}, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("a..b=3", "expected KEY=VALUE"),
        ("stages.2.steps=1", "'2' is no index into a list of 1"),
        ("stages.x.steps=1", "'x' is no index into a list of 1"),
        ("seed.x=1", "'seed' holds a value, not a section"),
        ("log.wandb=True", 'log.wandb: found "True" (string), expected boolean'),
    ],
)
def test_a_bad_override_is_named(override: str, expected: str) -> None:
    assert expected in _message({"seed": 1}, override)


def test_a_fault_of_the_file_is_not_blamed_on_an_override() -> None:
    assert _message({"sed": 1}, "seed=2").startswith("recipe: unknown key 'sed'")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("3.0", 3.0),
        ("true", True),
        ('"3"', "3"),
        ("bag", "bag"),
        ("openai:gpt=x", "openai:gpt=x"),
        ("", ""),
        ("[]", []),
        ("[1, x]", [1, "x"]),
        ("[{sessions = 8}]", [{"sessions": 8}]),
        ("1\nseed = 2", "1\nseed = 2"),
    ],
)
def test_an_override_value_is_toml_with_bare_strings(text: str, value: object) -> None:
    parsed = parse_value(text)
    assert parsed == value and type(parsed) is type(value)


def test_the_resolved_recipe_loads_again_equal(tmp_path: Path) -> None:
    recipe = parse_recipe(
        {
            "name": "x",
            "data": {"path": 'C:\\odd "path"\n', "train": ["a"]},
            "stages": [{"sessions": 8, "global_group": 4}, {"sessions": 16, "compression_tau": 0.25}],
        }
    )
    save_resolved(recipe, tmp_path / "recipe.toml")
    assert load_recipe(tmp_path / "recipe.toml") == recipe
    assert [file.name for file in tmp_path.iterdir()] == ["recipe.toml"]


def test_a_stage_overrides_only_what_it_names() -> None:
    recipe = parse_recipe(
        {"reward": {"compression_tau": 0.7}, "stages": [{"global_group": 4, "compression_lambda": 0.3}]}
    )
    resolved = recipe.at(recipe.stages[0])
    assert resolved.rollout.global_group == 4
    assert resolved.rollout.local_group == recipe.rollout.local_group
    assert (resolved.reward.compression_tau, resolved.reward.compression_lambda) == (0.7, 0.3)
    assert recipe.rollout.global_group == 8


def test_a_stage_can_override_with_zero() -> None:
    recipe = parse_recipe({"stages": [{"compression_lambda": 0.0}]})
    assert recipe.at(recipe.stages[0]).reward.compression_lambda == 0.0
    assert recipe.reward.compression_lambda == 0.2


def test_a_recipe_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().learner.lr = 1.0  # pyright: ignore[reportAttributeAccessIssue]
    assert hash(LearnerConfig()) == hash(LearnerConfig())


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("seed = ")
    with pytest.raises(ConfigError, match=r"bad\.toml: not a TOML file"):
        load_recipe(bad)
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bad\.toml: not a TOML file"):
        load_recipe(bad)


def test_a_recipe_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such recipe file, nor a shipped recipe"):
        find_recipe(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="no such recipe file"):
        find_recipe(tmp_path)  # a folder


SINGLE = {"agents": {"roles": "single"}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (SINGLE | {"model": {"train": "manager"}}, "model.train is 'manager', but agents.roles is 'single'"),
        ({"model": {"frozen": "bundled"}}, "model.frozen is 'bundled', but model.train is 'all', so that no role"),
        (SINGLE | {"model": {"backbones": "separate"}}, "model.backbones is 'separate', but agents.roles is 'single'"),
        ({"agents": {"roles": "single", "history": True}}, "agents.history is on, but agents.roles is 'single'"),
        (
            {"model": {"reference": "stage", "lora_rank": 8}},
            "model.reference is 'stage', but model.lora_rank is above 0",
        ),
        ({"curriculum": {"promote": True}}, "curriculum.promote is on, but eval.every is 0"),
        ({"curriculum": {"patience": 2}}, "curriculum.patience is 2, but eval.every is 0"),
        (
            {"curriculum": {"patience": 2, "select": "last"}, "eval": {"every": 1}},
            "curriculum.patience is 2, but curriculum.select is 'last'",
        ),
    ],
)
def test_keys_that_cannot_work_together_are_refused_with_the_reason(data: dict[str, Any], expected: str) -> None:
    message = _message(data)
    assert (expected in message and "use " in message) or "set " in message


def test_one_override_can_make_two_keys_clash() -> None:
    assert "model.train is 'manager', but" in _message({"agents": {"roles": "single"}}, "model.train=manager")
    assert parse_recipe({"model": {"train": "extractor"}}, ["model.backbones=separate"]).model.train == "extractor"


def test_a_stage_overrides_local_share_and_minibatches() -> None:
    recipe = parse_recipe({"stages": [{"local_fraction": 0.0, "minibatches": 3}, {}]})
    first, second = (recipe.at(stage) for stage in recipe.stages)
    assert (first.rollout.local_fraction, first.learner.minibatches) == (0.0, 3)
    assert (second.rollout.local_fraction, second.learner.minibatches) == (0.5, 1)
