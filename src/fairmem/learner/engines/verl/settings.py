"""A recipe in verl's words: the settings that follow from it, for one kind of machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fairmem.config import CHECKPOINTS, Recipe
from fairmem.learner.engines.base import Job, common_refusals, stage_of
from fairmem.policy import folder_of
from fairmem.seeds import derive

_OFF = 1e30
"""Largest gradient norm where clipping is off."""

HF_ROLLOUT = "fairmem_hf"
"""Name of the rollout replica in cpu.py."""


def refusals(recipe: Recipe) -> Iterator[tuple[bool, str, str]]:
    """What the recipe asks for that verl does not do here; see `Engine.refusals`."""
    yield from common_refusals(recipe, "verl")
    model, most = recipe.model, recipe.learner
    yield folder_of(model.path) is None, f"model.path is '{model.path}'", "verl trains a model in a folder; give one"
    short = most.micro_tokens < most.pack_tokens
    yield (
        short,
        f"learner.micro_tokens is {most.micro_tokens}, below learner.pack_tokens",
        "verl holds micro_tokens per GPU and cannot split a row; raise it to the longest row",
    )


def on_cpu(recipe: Recipe) -> bool:
    """Whether the run is to do without a GPU: the recipe says so, or there is none."""
    from fairmem.policy import import_torch

    return recipe.model.device == "cpu" or (recipe.model.device == "auto" and not import_torch().cuda.is_available())


def settings_of(job: Job, cpu: bool) -> dict[str, Any]:
    """Verl's keys, dotted, with the values that `job` gives them; the engine's own options come after these."""
    stage = stage_of(job.recipe)
    recipe = job.recipe.at(stage)
    model = folder_of(recipe.model.path) or Path(recipe.model.path)
    context = _context(model)
    ours = {
        "episodes": job.episodes,
        "folder": str(job.folder.resolve()),
        "context": context,
        "learner": recipe.learner.model_dump_json(),
        "seed": derive(recipe.seed, "learner"),
    }
    parts = [
        {"fairmem": ours},
        _data(recipe, stage.steps, context),
        {
            "algorithm.adv_estimator": "grpo",  # not used: the rows bring their advantages; it keeps verl from a critic
            "algorithm.use_kl_in_reward": False,
            "actor_rollout_ref.model.path": str(model.resolve()),
            "actor_rollout_ref.model.enable_gradient_checkpointing": not cpu,
        },
        _actor(recipe),
        _rollout(recipe, cpu),
        _trainer(job, recipe, stage.steps),
        _for_cpu() if cpu else {},
    ]
    return {key: value for part in parts for key, value in part.items()}


def _data(recipe: Recipe, steps: int, context: int) -> dict[str, Any]:
    agents = recipe.agents
    reply = max(agents.extractor_max_tokens, agents.manager_max_tokens)
    return {
        "data.custom_cls.path": "pkg://fairmem.learner.engines.verl.episodes",
        "data.custom_cls.name": "Steps",
        "data.steps": steps,
        "data.train_batch_size": recipe.data.conversations_per_step,
        "data.shuffle": False,
        "data.dataloader_num_workers": 0,
        "data.max_prompt_length": context - reply,
        "data.max_response_length": reply,
    }


def _actor(recipe: Recipe) -> dict[str, Any]:
    """The trained model: its loss, its optimizer and what is saved of it."""
    learner, actor = recipe.learner, "actor_rollout_ref.actor."
    return {
        f"{actor}strategy": "fsdp2",
        f"{actor}use_dynamic_bsz": True,
        f"{actor}ppo_max_token_len_per_gpu": learner.micro_tokens,
        f"{actor}ppo_mini_batch_size": recipe.data.conversations_per_step,  # replaced in every update
        f"{actor}ppo_epochs": 1,  # passes are made by our trainer
        f"{actor}use_kl_loss": learner.kl > 0,
        f"{actor}kl_loss_coef": learner.kl,
        f"{actor}entropy_coeff": learner.entropy,
        f"{actor}calculate_entropy": learner.entropy > 0,
        f"{actor}optim.optimizer_impl": "fairmem.learner.engines.verl.update",
        f"{actor}optim.optimizer": "WarmAdamW",
        f"{actor}optim.lr": learner.lr,
        f"{actor}optim.betas": list(learner.betas),
        f"{actor}optim.weight_decay": learner.weight_decay,
        f"{actor}optim.clip_grad": learner.grad_clip or _OFF,
        f"{actor}optim.lr_warmup_steps": 0,
        f"{actor}optim.override_optimizer_config": {
            "warmup_steps": learner.warmup_steps,
            "decay_steps": learner.decay_steps,
        },
        f"{actor}checkpoint.save_contents": ["model", "optimizer", "extra", "hf_model"],
    }


def _rollout(recipe: Recipe, cpu: bool) -> dict[str, Any]:
    """Who samples, and who scores what was sampled: the reference has the sampler's limits."""
    rollout, ref = "actor_rollout_ref.rollout.", "actor_rollout_ref.ref."
    return {
        f"{rollout}name": HF_ROLLOUT if cpu else "vllm",
        f"{rollout}n": 1,  # a conversation's rollouts are made by one agent loop
        f"{rollout}temperature": recipe.rollout.temperature,
        f"{rollout}calculate_log_probs": True,
        f"{rollout}log_prob_use_dynamic_bsz": True,
        f"{rollout}log_prob_max_token_len_per_gpu": recipe.learner.micro_tokens,
        f"{rollout}agent.default_agent_loop": "fairmem",
        f"{rollout}agent.num_workers": 1 if cpu else min(8, recipe.data.conversations_per_step),
        f"{rollout}load_format": "auto",
        f"{ref}log_prob_use_dynamic_bsz": True,
        f"{ref}log_prob_max_token_len_per_gpu": recipe.learner.micro_tokens,
    }


def _trainer(job: Job, recipe: Recipe, steps: int) -> dict[str, Any]:
    """The loop: how long, what it tells, and where it leaves checkpoints."""
    return {
        "trainer.v1.trainer_mode": "fairmem",
        "trainer.total_training_steps": steps,
        "trainer.total_epochs": 1,
        "trainer.logger": ["console", *(name for name in ("tensorboard", "wandb") if getattr(recipe.log, name))],
        "trainer.project_name": "fairmem",
        "trainer.experiment_name": recipe.name,
        "trainer.val_before_train": False,
        "trainer.test_freq": -1,
        "trainer.save_freq": recipe.checkpoint.every or steps,  # the last step's is what is exported
        "trainer.max_actor_ckpt_to_keep": recipe.checkpoint.keep,
        "trainer.default_local_dir": str((job.folder / CHECKPOINTS / "verl").resolve()),
        "trainer.resume_mode": "auto" if job.resume else "disable",
        "reward.num_workers": 1,
    }


def _for_cpu() -> dict[str, Any]:
    """Verl counts CPUs and GPUs before it places workers; on a small machine it is told numbers that let it."""
    whole = {"param_dtype": "fp32", "reduce_dtype": "fp32", "buffer_dtype": "fp32"}
    found: dict[str, Any] = {
        "trainer.device": "cpu",
        "trainer.n_gpus_per_node": 1,
        "actor_rollout_ref.model.use_remove_padding": False,
        "actor_rollout_ref.model.override_config": {"attn_implementation": "sdpa"},
        "actor_rollout_ref.actor.use_torch_compile": False,
        "actor_rollout_ref.rollout.tensor_model_parallel_size": 1,
        "actor_rollout_ref.rollout.free_cache_engine": False,
        "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1,
        "ray_kwargs.ray_init.num_cpus": 32,
        "ray_kwargs.ray_init.num_gpus": 8,
        "ray_kwargs.ray_init.include_dashboard": False,
        "ray_kwargs.ray_init.object_store_memory": 256 * 2**20,
    }
    for who in ("actor", "ref"):
        place = f"actor_rollout_ref.{who}.fsdp_config."
        found |= {f"{place}dtype": "float32", f"{place}use_torch_compile": False, f"{place}mixed_precision": whole}
    return found


def _context(folder: Path) -> int:
    """Positions of the model in `folder`."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return int(config.get("text_config", config).get("max_position_embeddings", 4096))
