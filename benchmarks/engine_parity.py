"""Do the engines compute the same? Loss, gradient norm and log-probabilities of the same rows, on each of them.

    python benchmarks/engine_parity.py --workers 1 2 [--json FILE]

Rows are those of a LoGo step of the bundled model, with their recorded log-probabilities moved so that ratios are not 1
and some are clipped, and with a KL term against other weights. Each engine makes one update from the same weights:

    embedded     `fairmem.learner.Learner`: packed rows, shared prompts
    plain        torch alone, one row after the other, written out below
    verl N       verl's `TrainingWorker` with N FSDP2 workers over gloo (where verl is installed)

and is compared with `plain`. Ends with 1 if a number is further from it than `--tolerance`.
"""

# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fairmem.config import RESOLVED, Recipe, load_recipe, save_resolved
from fairmem.episodes.engine_side import Rollouts
from fairmem.learner import Learner, Row
from fairmem.learner.engines.base import Job
from fairmem.learner.engines.verl.driver import configured
from fairmem.learner.engines.verl.update import turn_loss
from fairmem.learner.minibatches import shares
from fairmem.policy import folder_of, import_torch
from fairmem.policy.hf import HFPolicy
from fairmem.seeds import numpy_rng

torch: Any = import_torch()

OVERRIDES = (
    "stages=[{sessions = 2, steps = 1}]",
    "data.conversations_per_step=1",
    "data.test_conversations=0",
    "data.validation_conversations=0",
    "rollout.global_group=3",
    "rollout.local_group=2",
    "rollout.local_fraction=1.0",
    "agents.extractor_max_tokens=32",
    "agents.manager_max_tokens=32",
    "agents.answerer_max_tokens=24",
    "learner.warmup_steps=0",
    "learner.entropy=0.01",
    "model.device=cpu",
)
MOVED = 0.3
"""Deviation (nats) of what is added to recorded log-probabilities."""


def main() -> int:
    """Compare; 1 if an engine is off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="numbers of verl workers (default: 1 2)")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="largest relative difference (default: 1e-5)")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("overrides", metavar="key=value", nargs="*", help="recipe values to change")
    args = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load_recipe("memory_r2_small", [*OVERRIDES, *args.overrides])
    with tempfile.TemporaryDirectory() as folder:
        save_resolved(recipe, Path(folder) / RESOLVED)
        rows = moved(played(Path(folder)))
        found = {"plain": plain(recipe, rows), "embedded": embedded(recipe, rows)}
        if importlib.util.find_spec("verl") is None:
            print("verl is not installed here: pip install 'fairmem[verl]'")
        else:
            for workers in args.workers:
                found[f"verl {workers}"] = on_verl(recipe, Path(folder), rows, workers)
    told = {
        name: {"loss": f["loss"], "grad_norm": f["grad_norm"], **off(f, found["plain"])} for name, f in found.items()
    }
    for name, numbers in told.items():
        print(f"{name:10}" + "".join(f"  {key} {value:.9g}" for key, value in numbers.items()))
    if args.json:
        args.json.write_text(json.dumps({"rows": len(rows), **told}, indent=1) + "\n", encoding="utf-8")
    worst = max(value for numbers in told.values() for key, value in numbers.items() if key.endswith("_off"))
    print(f"{len(rows)} rows; furthest from plain: {worst:.2g} (allowed {args.tolerance:g})")
    return int(not worst <= args.tolerance)


def off(found: dict[str, Any], plain_found: dict[str, Any]) -> dict[str, float]:
    """Relative differences of loss and gradient norm, and the largest absolute one of a log-probability (nats)."""
    pairs = zip(found["logprobs"], plain_found["logprobs"], strict=True)
    return {
        "loss_off": abs(found["loss"] - plain_found["loss"]) / abs(plain_found["loss"]),
        "grad_norm_off": abs(found["grad_norm"] - plain_found["grad_norm"]) / plain_found["grad_norm"],
        "logprob_off": max(float((torch.tensor(a) - torch.tensor(b)).abs().max()) for a, b in pairs),
    }


def played(folder: Path) -> list[Row]:
    """The rows of the first step whose conversation has contrast."""
    rollouts = Rollouts(folder)
    policy = HFPolicy.from_folder(_model(rollouts.recipe), device="cpu", dtype="float32")
    return list(rollouts.roll(0, 0, policy).rows)


def moved(rows: Sequence[Row]) -> list[Row]:
    """The rows as if other weights had sampled them."""
    if not rows:
        raise SystemExit("no group of the step had contrast; try another seed=N")
    rng = numpy_rng(0, "moved")
    return [
        replace(row, logprobs=tuple(min(0.0, p + float(rng.normal()) * MOVED) for p in row.logprobs)) for row in rows
    ]


def opened(recipe: Recipe) -> tuple[Any, Any]:
    """The model to train, and the one it is compared with by the KL term: the same with every weight 1 % smaller."""
    model, reference = (HFPolicy.from_folder(_model(recipe), device="cpu", dtype="float32").model for _ in range(2))
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.mul_(0.99)
    return model, reference


def embedded(recipe: Recipe, rows: Sequence[Row]) -> dict[str, Any]:
    """One step of the embedded learner."""
    model, reference = opened(recipe)
    learner = Learner(model, reference, recipe.learner, temperature=recipe.rollout.temperature)
    logprobs = [part.tolist() for part in learner.logprobs(rows)]
    metrics = learner.step(rows)
    return {"loss": metrics["loss"], "grad_norm": metrics["grad_norm"], "logprobs": logprobs}


def plain(recipe: Recipe, rows: Sequence[Row]) -> dict[str, Any]:
    """The same loss in torch alone: turn ratios, dual clip, k3 and entropy, mean over turns."""
    config = recipe.learner
    assert (config.ratio, config.aggregation) == ("turn", "turn"), "plain knows the default loss only"
    model, reference = opened(recipe)
    total, logprobs = torch.zeros(()), list[list[float]]()
    weight = sum(row.weight for row in rows)
    for row in rows:
        logp, entropy = _scored(model, row, recipe.rollout.temperature)
        with torch.no_grad():
            compared, _ = _scored(reference, row, recipe.rollout.temperature)
        logprobs.append(logp.tolist())
        ratio = (logp - torch.tensor(row.logprobs)).mean().clamp(max=3.0).exp()
        value = torch.maximum(
            -ratio * row.advantage, -ratio.clamp(1 - config.clip_low, 1 + config.clip_high) * row.advantage
        )
        if row.advantage < 0:
            value = value.clamp(max=-config.dual_clip * row.advantage)
        apart = compared - logp
        value = value + config.kl * (apart.exp() - apart - 1).mean() - config.entropy * entropy.mean()
        total = total + row.weight / weight * value
    total.backward()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters() if p.grad is not None))
    return {"loss": float(total.detach()), "grad_norm": norm, "logprobs": logprobs}


def _scored(model: Any, row: Row, temperature: float) -> tuple[Any, Any]:
    ids = torch.tensor([[*row.prompt_ids, *row.ids]])
    logp = (model(ids).logits[0, len(row.prompt_ids) - 1 : -1] / temperature).log_softmax(-1)
    return logp.gather(-1, torch.tensor(row.ids)[:, None])[:, 0], -(logp.exp() * logp).sum(-1)


def on_verl(recipe: Recipe, folder: Path, rows: Sequence[Row], workers: int) -> dict[str, Any]:
    """One update of verl's training worker, sharded over `workers` processes, with our loss and optimizer."""
    config = configured(Job(recipe, folder, False, "fairmem.episodes.engine_side"), cpu=True)
    import ray
    from omegaconf import OmegaConf
    from verl.single_controller.ray import RayClassWithInitArgs, RayResourcePool, RayWorkerGroup
    from verl.utils import tensordict_utils as tu
    from verl.utils.config import omega_conf_to_dataclass
    from verl.workers.engine_workers import TrainingWorker, TrainingWorkerConfig
    from verl.workers.utils.padding import no_padding_2_padding

    actor: Any = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    engine = actor.engine
    engine.use_dynamic_bsz, engine.max_token_len_per_gpu = True, recipe.learner.micro_tokens
    engine.infer_max_token_len_per_gpu = recipe.learner.micro_tokens
    settings = TrainingWorkerConfig(
        model_type="language_model",
        model_config=omega_conf_to_dataclass(config.actor_rollout_ref.model),
        engine_config=engine,
        optimizer_config=actor.optim,
        checkpoint_config=None,
    )
    ray.init(**OmegaConf.to_container(config.ray_kwargs.ray_init), logging_level="ERROR", log_to_driver=False)
    try:
        pool = RayResourcePool(process_on_nodes=[workers], use_gpu=False)
        made = RayClassWithInitArgs(cls=ray.remote(TrainingWorker), config=settings)
        group = RayWorkerGroup(resource_pool=pool, ray_cls_with_init=made, device_name="cpu")
        group.reset()
        group.set_loss_fn(partial(turn_loss, recipe.learner))
        batch = _batch(recipe, rows, workers)
        told = group.infer_batch(batch.copy()).get()
        scored = no_padding_2_padding(tu.get(told, "log_probs"), batch)
        _, reference = opened(recipe)
        with torch.no_grad():
            compared = [_scored(reference, row, recipe.rollout.temperature)[0] for row in rows]
        fill = [torch.zeros(1)] * (len(batch) - len(rows))
        batch["ref_log_prob"] = torch.nested.as_nested_tensor([*compared, *fill], layout=torch.jagged)
        tu.assign_non_tensor(batch, calculate_entropy=True, compute_loss=True)
        metrics = tu.get(group.train_batch(batch).get(), "metrics")
    finally:
        ray.shutdown()
    logprobs = [scored[i, : len(row.ids)].tolist() for i, row in enumerate(rows)]
    return {"loss": float(metrics["loss"]), "grad_norm": float(metrics["grad_norm"]), "logprobs": logprobs}


def _batch(recipe: Recipe, rows: Sequence[Row], workers: int) -> Any:
    """The rows as verl's workers take them, filled up to a multiple of `workers` with rows of share 0."""
    from tensordict import TensorDict
    from verl.utils import tensordict_utils as tu

    filler = replace(rows[0], ids=rows[0].ids[:1], logprobs=rows[0].logprobs[:1], advantage=0.0)
    held = [*rows, *[filler] * (-len(rows) % workers)]
    share = [*shares(rows, range(len(rows)), recipe.learner), *[0.0] * (len(held) - len(rows))]

    def nested(values: list[Any]) -> Any:
        return torch.nested.as_nested_tensor([torch.tensor(v) for v in values], layout=torch.jagged)

    batch = TensorDict(
        {
            "input_ids": nested([[*row.prompt_ids, *row.ids] for row in held]),
            "position_ids": nested([list(range(row.tokens)) for row in held]),
            "prompts": nested([list(row.prompt_ids) for row in held]),
            "responses": nested([list(row.ids) for row in held]),
            "response_mask": nested([[1] * len(row.ids) for row in held]),
            "loss_mask": nested([[1] * len(row.ids) for row in held]),
            "old_log_probs": nested([list(row.logprobs) for row in held]),
            "advantages": nested([[row.advantage] * len(row.ids) for row in held]),
            "share": torch.tensor(share),
        },
        batch_size=len(held),
    )
    tokens = [row.tokens for row in held]
    tu.assign_non_tensor(
        batch,
        temperature=recipe.rollout.temperature,
        global_token_num=tokens,
        compute_loss=False,
        global_batch_size=len(held),
        calculate_entropy=False,
    )
    return batch


def _model(recipe: Recipe) -> Path:
    folder = folder_of(recipe.model.path)
    assert folder is not None
    return folder


if __name__ == "__main__":
    sys.exit(main())
