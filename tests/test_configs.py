"""Every recipe that ships loads, means what it says, and is spelled with valid keys only."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fairmem.cli import main, parse
from fairmem.config import differences, find_recipe, load_recipe, save_resolved, shipped_recipes

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


PUBLISHED = {
    "global rollouts": 16,
    "local rerollouts": 4,
    "share of sessions rolled out again": 0.5,
    "sessions a rerollout goes on for": 0,
    "chunks per session": 6,
    "related entries per fact, at most, from score": (5, 25, 0.1),
    "entries shown per speaker": 30,
    "questions, global and local": (64, 16),
    "local questions": "cumulative",
    "temperature": 1.0,
    "rule and scale": ("logo", "std"),
    "learning rate": 2e-6,
    "AdamW": ((0.9, 0.999), 0.01),
    "warmup": 0,
    "clip": (0.2, 0.2, 3.0),
    "ratio and mean": ("turn", "turn"),
    "KL and its reference": (0.001, "stage"),
    "entropy": 0.001,
    "gradient norm": 1.0,
    "passes": 2,
    "train, validation, test": (1, 1, 7),
    "checkpoint by, patience": ("val_f1", 3),
}
"""The settings of the released Memory-R2 model."""
PUBLISHED_STAGES = [
    # sessions, steps, tau, lambda, optimizer steps per pass
    (8, 10, 0.5, 0.2, 1),
    (16, 5, 0.7, 0.2, 2),
    (32, 5, 0.7, 0.3, 3),
]


def test_the_paper_recipe_holds_the_published_settings() -> None:
    recipe = load_recipe("memory_r2_paper")
    model, data, agents, rollout = recipe.model, recipe.data, recipe.agents, recipe.rollout
    learner, credit, curriculum = recipe.learner, recipe.credit, recipe.curriculum
    found = {
        "global rollouts": rollout.global_group,
        "local rerollouts": rollout.local_group,
        "share of sessions rolled out again": rollout.local_fraction,
        "sessions a rerollout goes on for": rollout.local_horizon,
        "chunks per session": agents.chunks_per_session,
        "related entries per fact, at most, from score": (
            agents.related_per_fact, agents.related_max, agents.related_min_score
        ),
        "entries shown per speaker": agents.shown_per_speaker,
        "questions, global and local": (rollout.max_questions, rollout.max_local_questions),
        "local questions": rollout.questions,
        "temperature": rollout.temperature,
        "rule and scale": (credit.rule, credit.scale),
        "learning rate": learner.lr,
        "AdamW": (learner.betas, learner.weight_decay),
        "warmup": learner.warmup_steps,
        "clip": (learner.clip_low, learner.clip_high, learner.dual_clip),
        "ratio and mean": (learner.ratio, learner.aggregation),
        "KL and its reference": (learner.kl, model.reference),
        "entropy": learner.entropy,
        "gradient norm": learner.grad_clip,
        "passes": learner.epochs,
        "train, validation, test": (len(data.train), len(data.validation), len(data.test)),
        "checkpoint by, patience": (curriculum.select, curriculum.patience),
    }  # fmt: skip
    assert found == PUBLISHED
    resolved = [recipe.at(stage) for stage in recipe.stages]
    assert [
        (s.sessions, s.steps, r.reward.compression_tau, r.reward.compression_lambda, r.learner.minibatches)
        for s, r in zip(recipe.stages, resolved, strict=True)
    ] == PUBLISHED_STAGES
    assert recipe.steps == 20 and agents.roles == "two" and model.backbones == "shared" and model.train == "all"


def test_the_paper_recipe_trains_on_none_of_its_test_conversations() -> None:
    data = load_recipe("memory_r2_paper").data
    named = [*data.train, *data.validation, *data.test]
    assert len(set(named)) == len(named) and "conv-47" not in named  # the paper's other training conversation


MEM_ALPHA = {
    "rollouts": 8,
    "rerolled": 0.0,
    "temperature": 1.0,
    "beta, gamma": (0.05, 0.1),
    "reward": ("mem_alpha_paper", "source", "all", "answerer"),
    "core": 512,
    "calls per chunk": (1, 0),
    "shown per store": 20,
    "replies": (2048, 2048),
    "instances per step": 32,
    "rule and scale": ("broadcast", "std", 1e-6),
    "learning rate": 1e-6,
    "weight decay": 0.01,
    "warmup": 10,
    "clip": (0.2, 0.2, 3.0),
    "ratio and mean": ("token", "token"),
    "KL": 0.001,
    "entropy": 0.0,
    "gradient norm": 1.0,
    "steps": 205,
}
"""The settings of Mem-alpha's main run."""


def test_the_mem_alpha_recipe_holds_the_published_settings() -> None:
    recipe = load_recipe("mem_alpha_paper")
    agents, rollout, reward, learner = recipe.agents, recipe.rollout, recipe.reward, recipe.learner
    found = {
        "rollouts": rollout.global_group,
        "rerolled": rollout.local_fraction,
        "temperature": rollout.temperature,
        "beta, gamma": (reward.beta, reward.gamma),
        "reward": (reward.form, reward.score, reward.spread, reward.judge),
        "core": agents.core_max_tokens,
        "calls per chunk": (agents.chunks_per_session, agents.search_rounds),
        "shown per store": agents.shown_per_store,
        "replies": (agents.manager_max_tokens, agents.answerer_max_tokens),
        "instances per step": recipe.data.conversations_per_step,
        "rule and scale": (recipe.credit.rule, recipe.credit.scale, recipe.credit.floor),
        "learning rate": learner.lr,
        "weight decay": learner.weight_decay,
        "warmup": learner.warmup_steps,
        "clip": (learner.clip_low, learner.clip_high, learner.dual_clip),
        "ratio and mean": (learner.ratio, learner.aggregation),
        "KL": learner.kl,
        "entropy": learner.entropy,
        "gradient norm": learner.grad_clip,
        "steps": recipe.steps,
    }
    assert found == MEM_ALPHA
    sources = [part.source for part in recipe.data.mix]
    assert len(set(sources)) == 8 and recipe.data.test_source == "memory_agent_bench"


MEMORY_R1 = {
    "who learns": "manager",
    "unit and batch": ("bandit", 128, 1),
    "temperature, greedy evaluation": (1.0, 0.0),
    "reward": ("exact", 0.0),
    "candidates per speaker, distilled": (30, True),
    "learning rate": 1e-6,
    "prompt and reply": (4096 + 2048, 2048),
    "rows per device": 2,
    "KL": 0.001,
    "train, validation, test": (1, 1, 8),
}
"""What the paper states of Memory-R1, and the usual KL weight of those who rebuilt it."""


@pytest.mark.parametrize("name", ["memory_r1_grpo_paper", "memory_r1_ppo_paper"])
def test_the_memory_r1_recipes_hold_the_published_settings(name: str) -> None:
    recipe = load_recipe(name)
    agents, data, rollout, learner = recipe.agents, recipe.data, recipe.rollout, recipe.learner
    found = {
        "who learns": recipe.model.train,
        "unit and batch": (rollout.unit, rollout.decisions, data.conversations_per_step),
        "temperature, greedy evaluation": (rollout.temperature, recipe.eval.temperature),
        "reward": (recipe.reward.f1, recipe.reward.compression_lambda),
        "candidates per speaker, distilled": (agents.shown_per_speaker, agents.distill),
        "learning rate": learner.lr,
        "prompt and reply": (learner.pack_tokens, agents.manager_max_tokens),
        "rows per device": learner.micro_tokens / learner.pack_tokens,
        "KL": learner.kl,
        "train, validation, test": (len(data.train), len(data.validation), len(data.test)),
    }
    assert found == MEMORY_R1
    assert not {*data.train, *data.validation} & set(data.test) and "adversarial" not in recipe.eval.categories
    assert learner.warmup_steps > 0 and learner.decay_steps == 0  # constant with warm-up


def test_the_two_memory_r1_recipes_differ_in_rule_and_critic_only() -> None:
    grpo, ppo = load_recipe("memory_r1_grpo_paper"), load_recipe("memory_r1_ppo_paper")
    assert (grpo.credit.rule, grpo.credit.scale, ppo.credit.rule, ppo.learner.value_lr) == ("grpo", "std", "ppo", 1e-5)
    changed = {line.split(":")[0] for line in differences(grpo, ppo)}
    of_the_critic = {f"learner.value_{part}" for part in ("lr", "clip", "features", "coef")}
    of_the_rule = {"credit.rule", "credit.scale", "credit.gamma", "credit.gae_lambda", "rollout.global_group", "name"}
    assert changed <= of_the_critic | of_the_rule


def test_the_small_memory_r1_recipes_train_and_test_on_the_same_conversations() -> None:
    small = ("grpo", "ppo", "bc", "answerer")
    recipes = [load_recipe(f"memory_r1_{name}") for name in small]
    for recipe in recipes:
        data = recipe.data.model_copy(update={"conversations_per_step": 1})
        assert data == recipes[0].data.model_copy(update={"conversations_per_step": 1})
        assert (recipe.reward.f1, recipe.stages[0].sessions) == ("exact", 8)


REAL = sorted(path.stem for path in RECIPES if path.stem.startswith("memory_r2_qwen"))


def test_there_is_a_recipe_for_each_real_model() -> None:
    assert REAL == ["memory_r2_qwen2.5_3b", "memory_r2_qwen2.5_7b", "memory_r2_qwen3_4b"]


@pytest.mark.parametrize("name", REAL)
def test_the_figures_a_recipe_opens_with_are_those_of_its_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    shown = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]
    first = next(index for index, line in enumerate(shown) if line.startswith("fairmem plan"))
    command = f"{shown[first].removesuffix(chr(92))} {shown[first + 1]}".split()
    monkeypatch.chdir(tmp_path)  # where there is no locomo10.json, so that averages are planned with
    assert main(command[1:]) == 0
    table = capsys.readouterr().out.split("\n")[:-1]
    start = next(index for index, line in enumerate(shown) if line.startswith("GPUs "))
    assert [line.split() for line in shown[start : start + len(table)]] == [line.split() for line in table]
    assert len(table) > 6 and not shown[start + len(table)].startswith(("8x", "4x", "16x"))


@pytest.mark.parametrize("name", REAL)
def test_a_recipe_for_a_real_model_claims_no_score_and_goes_through_the_curriculum(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    assert "No score is claimed" in text and "Estimated, not measured" in text
    recipe = load_recipe(name)
    assert [stage.sessions for stage in recipe.stages] == [8, 16, 32]
    assert recipe.answerer.path.startswith("openai:") and recipe.checkpoint.every == 1
    assert not {*recipe.data.train, *recipe.data.validation} & {*recipe.data.test}
    for line in text.splitlines():  # the commands it shows
        if line.startswith("#   fairmem train"):
            parse(line.removeprefix("#   fairmem ").split())
