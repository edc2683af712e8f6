"""Whether a run fits: bytes per GPU of weights, gradients, optimizer, activations, logits and cache.

verl (FSDP2, its own defaults): weights and gradients in float32, two float32 moments, all cut into as many parts as
there are GPUs; a bfloat16 reference cut alike; one layer at a time is gathered, in bfloat16, with the next one on its
way. The backward pass recomputes every layer from its input. vLLM holds the weights in bfloat16, over its
tensor-parallel GPUs, and fills its share of the memory with cache; while the learner works it sleeps.

Embedded and TRL: one GPU holds everything; weights in bfloat16 with float32 masters, moments and (at the moment of the
update) gradients, and a bfloat16 reference; no layer is recomputed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from fairmem.config import Recipe
from fairmem.planning.assumptions import Assumptions
from fairmem.planning.gpus import GIB, Machine
from fairmem.planning.shapes import ModelShape

Offload = Literal["none", "idle", "full"]
"""Where verl keeps its training state: on the GPU; on the CPU while it generates (`param_offload`,
`optimizer_offload`); or always on the CPU, layers being brought to the GPU one by one (`offload_policy`)."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes on one GPU.

    Attributes:
        parts: What is held, in bytes; of the learner, then of the sampler.
        usable: What may be used.
        learning: Held while learning, with a micro-batch of `micro_tokens`; `sampling`: while sampling.
        per_token: Bytes that a token of a micro-batch costs.
        largest_micro: Most tokens of a micro-batch that fit; 0 if none does.
        micro_tokens: The recipe's.
        cache: Bytes of keys and values that one server (all its GPUs) can hold.
        problems: Why it does not fit, each with what to do; none if it fits.
    """

    parts: dict[str, float]
    usable: float
    learning: float
    sampling: float
    per_token: float
    largest_micro: int
    micro_tokens: int
    cache: float
    problems: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the recipe runs on this machine."""
        return not self.problems


def lora_parameters(shape: ModelShape, rank: int) -> int:
    """Parameters of LoRA adapters of `rank` on the projections of attention and feed-forward network."""
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    sizes = [(shape.hidden, query), (shape.hidden, key), (shape.hidden, key), (query, shape.hidden)]
    sizes += [(shape.hidden, shape.intermediate)] * 2 + [(shape.intermediate, shape.hidden)]
    return shape.layers * sum(rank * (rows + columns) for rows, columns in sizes)


def token_bytes(shape: ModelShape, recipe: Recipe, assumptions: Assumptions, engine: str) -> float:
    """Bytes that each token of a micro-batch costs while learning."""
    if engine == "verl":  # inputs of all layers, the inside of one, and the logits of every position
        logits = assumptions["memory.logit"] + (assumptions["memory.entropy"] if recipe.learner.entropy else 0.0)
        return 2 * shape.layers * shape.hidden + shape.activation_bytes + logits * shape.vocabulary
    mask = 1.0 * recipe.learner.pack_tokens  # a row of the dense mask, one byte each
    logits = (
        10.0 * shape.vocabulary if engine == "trl" else 0.0
    )  # ours: of 2,048 positions at a time, see `fixed_bytes`
    return shape.layers * shape.activation_bytes + mask + logits


def verl_memory(
    shape: ModelShape,
    recipe: Recipe,
    machine: Machine,
    assumptions: Assumptions,
    offload: Offload = "none",
    tensor_parallel: int = 2,
    share: float = 0.5,
) -> MemoryPlan:
    """Memory of verl on `machine`; see the module.

    Args:
        shape: Of the trained model.
        recipe: What is trained.
        machine: The GPUs.
        assumptions: In use.
        offload: Where the training state is kept.
        tensor_parallel: GPUs of one server.
        share: Of a GPU's memory that vLLM may take.
    """
    n, parameters = machine.count, shape.parameters
    on_gpu = 0.0 if offload == "full" else 1.0
    parts = {
        "weights (float32, cut)": on_gpu * 4 * parameters / n,
        "gradients (float32, cut)": on_gpu * 4 * parameters / n,
        "optimizer (2 float32 moments, cut)": on_gpu * 8 * parameters / n,
        "reference (bfloat16, cut)": on_gpu * 2 * parameters / n if recipe.learner.kl else 0.0,
        "gathered layers (bfloat16, and one layer's gradient)": 8 * shape.layer_parameters
        + 2 * shape.embedding_parameters,
        "vLLM asleep": assumptions["memory.workspace"] * GIB,
    }
    held = sum(parts.values())
    per_token = token_bytes(shape, recipe, assumptions, "verl")
    micro = recipe.learner.micro_tokens
    usable = assumptions["memory.usable"] * machine.gpu.memory
    largest = max(0, int((usable - held) / per_token))
    state = sum(list(parts.values())[:4]) if offload == "none" else 0.0
    served = 2 * parameters / tensor_parallel
    cache = share * machine.gpu.memory - served - assumptions["memory.workspace"] * GIB
    parts[f"activations and logits of {micro:,} tokens"] = per_token * micro
    parts["vLLM: weights (bfloat16)"] = served
    parts["vLLM: cache"] = max(0.0, cache)
    sampling = state + share * machine.gpu.memory
    plan = MemoryPlan(
        parts,
        usable,
        held + per_token * micro,
        sampling,
        per_token,
        largest,
        micro,
        max(0.0, cache) * tensor_parallel,
        (),
    )
    return _with(plan, _verl_problems(plan, shape, recipe, machine, offload, tensor_parallel, cache, held, state))


def _verl_problems(
    plan: MemoryPlan,
    shape: ModelShape,
    recipe: Recipe,
    machine: Machine,
    offload: Offload,
    tensor_parallel: int,
    cache: float,
    held: float,
    state: float,
) -> list[str]:
    gib, problems = 1 / GIB, list[str]()
    if machine.count % tensor_parallel:
        problems.append(
            f"{machine.count} GPUs cannot be cut into servers of {tensor_parallel}; set "
            "actor_rollout_ref.rollout.tensor_model_parallel_size to a divisor"
        )
    if plan.largest_micro < recipe.learner.pack_tokens:
        cut = 18 if recipe.learner.kl else 16
        fixed = held - state
        room = plan.usable - fixed - plan.per_token * recipe.learner.pack_tokens
        needed = -(-int(cut * shape.parameters) // int(room)) if room > 0 and offload != "full" else 0
        more = f"use {needed} or more {machine.gpu.name}, or " if needed > machine.count else ""
        way = "" if offload == "full" else "actor_rollout_ref.actor.fsdp_config.offload_policy=true, or "
        problems.append(
            f"learning: {held * gib:.1f} GiB are held before the first token and a row of learner.pack_tokens = "
            f"{recipe.learner.pack_tokens:,} needs {plan.per_token * recipe.learner.pack_tokens * gib:.1f} more, of "
            f"{plan.usable * gib:.1f}; {more}{way}lower learner.pack_tokens, or a smaller model"
        )
    elif plan.largest_micro < recipe.learner.micro_tokens:
        problems.append(
            f"learning: a micro-batch of {recipe.learner.micro_tokens:,} tokens needs "
            f"{plan.learning * gib:.1f} GiB of {plan.usable * gib:.1f}; set learner.micro_tokens to at most "
            f"{plan.largest_micro // 1024 * 1024 or plan.largest_micro}"
        )
    if cache <= 0:
        problems.append(
            f"sampling: vLLM's share holds no cache beside {2 * shape.parameters / tensor_parallel * gib:.1f} GiB of "
            "weights; raise actor_rollout_ref.rollout.gpu_memory_utilization or tensor_model_parallel_size"
        )
    if plan.sampling > plan.usable:
        problems.append(
            f"sampling: training state and vLLM's share need {plan.sampling * gib:.1f} GiB of "
            f"{plan.usable * gib:.1f}; set actor_rollout_ref.actor.fsdp_config.param_offload=true and "
            "optimizer_offload=true, or lower actor_rollout_ref.rollout.gpu_memory_utilization"
        )
    return problems


def one_gpu_memory(
    shape: ModelShape, recipe: Recipe, machine: Machine, assumptions: Assumptions, engine: str, context: float
) -> MemoryPlan:
    """Memory of the embedded engine, or of TRL, on one GPU.

    Args:
        shape: Of the trained model.
        recipe: What is trained.
        machine: Its first GPU is used.
        assumptions: In use.
        engine: `embedded` or `trl`.
        context: Tokens of the longest prompt and reply.
    """
    model = recipe.model
    rank, parameters = model.lora_rank, shape.parameters
    wide = 4 if model.dtype == "float32" else 2
    trained = lora_parameters(shape, rank) if rank else parameters
    learners = 2 if model.backbones == "separate" and model.train == "all" else 1
    frozen = 1 if model.train != "all" else 0
    reference = 1 if recipe.learner.kl and not rank else 0
    if frozen and model.reference == "start":
        reference = 0  # the frozen role's model is the reference too
    masters = 0 if wide == 4 else 4 * trained
    parts = {
        f"weights ({'float32' if wide == 4 else 'bfloat16'})": wide
        * (parameters + (trained if rank else 0))
        * learners,
        "masters (float32)": masters * learners,
        "gradients (float32)": 4 * trained * learners,
        "optimizer (2 float32 moments)": 8 * trained * learners,
        "reference": wide * parameters * (reference * learners + frozen),
        "logits of 2,048 positions": 2048 * shape.vocabulary * 12.0 if engine == "embedded" else 0.0,
    }
    held = sum(parts.values())
    per_token = token_bytes(shape, recipe, assumptions, engine)
    micro = recipe.learner.micro_tokens
    usable = assumptions["memory.usable"] * machine.gpu.memory
    largest = max(0, int((usable - held) / per_token))
    cache = recipe.rollout.batch * context * shape.kv_bytes
    parts[f"activations of {micro:,} tokens"] = per_token * micro
    parts[f"cache of {recipe.rollout.batch} sequences"] = cache
    idle = held - parts["gradients (float32)"] - parts["logits of 2,048 positions"]
    plan = MemoryPlan(parts, usable, held + per_token * micro, idle + cache, per_token, largest, micro, cache, ())
    return _with(plan, _one_gpu_problems(plan, recipe, machine, held, idle, context * shape.kv_bytes))


def _one_gpu_problems(
    plan: MemoryPlan, recipe: Recipe, machine: Machine, held: float, idle: float, sequence: float
) -> list[str]:
    gib, problems = 1 / GIB, list[str]()
    if plan.largest_micro < recipe.learner.pack_tokens:
        problems.append(
            f"learning: {held * gib:.1f} GiB are held before the first token, and {plan.per_token * 2**-20:.1f} MiB "
            f"per token, of {plan.usable * gib:.1f} on one {machine.gpu.name}; use --engine verl on several GPUs, "
            "model.lora_rank=16, a larger GPU or a smaller model"
        )
    elif plan.largest_micro < recipe.learner.micro_tokens:
        problems.append(
            f"learning: a micro-batch of {recipe.learner.micro_tokens:,} tokens needs {plan.learning * gib:.1f} GiB of "
            f"{plan.usable * gib:.1f}; set learner.micro_tokens to at most {plan.largest_micro}"
        )
    if plan.sampling > plan.usable:
        most = int((plan.usable - idle) / sequence)
        remedy = f"set rollout.batch to at most {most}" if most > 0 else "nothing is left for a single sequence"
        problems.append(
            f"sampling: {plan.sampling * gib:.1f} GiB of {plan.usable * gib:.1f} with {recipe.rollout.batch} "
            f"sequences at once; {remedy}"
        )
    return problems


def _with(plan: MemoryPlan, problems: list[str]) -> MemoryPlan:
    return replace(plan, problems=tuple(problems))
