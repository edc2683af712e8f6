from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.config import load_recipe
from fairmem.errors import ConfigError
from fairmem.learner.engines import Job, open_engine
from fairmem.learner.engines.verl.settings import settings_of


def job(tmp_path: Path, *overrides: str, resume: bool = False) -> Job:
    recipe = load_recipe("memory_r2_small", ["stages=[{sessions = 2, steps = 7}]", *overrides])
    return Job(recipe, tmp_path, resume, "fairmem.episodes.engine_side")


def test_the_recipe_says_batch_steps_lengths_and_learning_rate(tmp_path: Path) -> None:
    found = settings_of(job(tmp_path, "data.conversations_per_step=3", "learner.lr=2e-6"), cpu=False)
    assert found["data.train_batch_size"] == 3 and found["data.steps"] == found["trainer.total_training_steps"] == 7
    # The bundled model has 4,096 positions, of which a reply takes up to 96.
    assert (found["data.max_prompt_length"], found["data.max_response_length"]) == (4000, 96)
    assert found["actor_rollout_ref.actor.optim.lr"] == 2e-6
    assert found["actor_rollout_ref.rollout.n"] == 1 and found["actor_rollout_ref.rollout.name"] == "vllm"


def test_a_stage_overrides_what_the_recipe_says(tmp_path: Path) -> None:
    stage = "stages=[{sessions = 2, steps = 1, conversations_per_step = 5}]"
    assert settings_of(job(tmp_path, stage), cpu=True)["data.train_batch_size"] == 5


def test_without_a_kl_term_there_is_no_reference(tmp_path: Path) -> None:
    key = "actor_rollout_ref.actor.use_kl_loss"
    assert settings_of(job(tmp_path, "learner.kl=0.0"), cpu=True)[key] is False
    assert settings_of(job(tmp_path), cpu=True)[key] is True


def test_the_last_step_is_always_saved_since_it_is_what_is_exported(tmp_path: Path) -> None:
    assert settings_of(job(tmp_path, "checkpoint.every=0"), cpu=True)["trainer.save_freq"] == 7
    assert settings_of(job(tmp_path, "checkpoint.every=2"), cpu=True)["trainer.save_freq"] == 2


def test_only_a_resumed_run_reads_checkpoints(tmp_path: Path) -> None:
    key = "trainer.resume_mode"
    assert settings_of(job(tmp_path), cpu=True)[key] == "disable"
    assert settings_of(job(tmp_path, resume=True), cpu=True)[key] == "auto"


def test_rows_longer_than_what_a_gpu_holds_are_refused() -> None:
    overrides = ["stages=[{steps = 1}]", "learner.micro_tokens=100", "learner.pack_tokens=200"]
    with pytest.raises(ConfigError, match="micro_tokens is 100"):
        open_engine("verl", load_recipe("memory_r2_small", overrides))
