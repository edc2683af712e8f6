"""How long a step takes: a roofline per phase.

Sampling, per wave: prompts are read at a share of the peak operations; then one decode step per token of the longest
reply, each as long as reading the weights and the cache of the sequences still going, or as their operations,
whichever is longer. Learning: operations at a share of the peak, or the traffic of FSDP2's gathers and scatters,
whichever is longer. What the shares are is assumed (`assumptions.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from fairmem.config import Recipe
from fairmem.planning.assumptions import Assumptions
from fairmem.planning.gpus import Gpu, Machine
from fairmem.planning.memory import Offload
from fairmem.planning.shapes import ModelShape
from fairmem.planning.work import RoleWork, RowWork, WaveWork


@dataclass(frozen=True, slots=True)
class Server:
    """One of `count` equal servers of a model.

    Attributes:
        shape: Of the model.
        gpu: Kind; `gpus`: how many hold one copy.
        count: Copies.
        cache: Bytes of keys and values that one holds.
        sequences: Most sequences at once on one.
        prefill: Share of peak operations; `decode`: share of bandwidth (and of operations while sampling).
        step_overhead: Seconds per decode step beside the roofline.
        prefixes: Whether heads of prompts are kept, else only equal prompts of one batch are read once.
    """

    shape: ModelShape
    gpu: Gpu
    gpus: int
    count: int
    cache: float
    sequences: float
    prefill: float
    decode: float
    step_overhead: float
    prefixes: bool


@dataclass(frozen=True, slots=True)
class Sampling:
    """Seconds: reading prompts, decoding, and what is neither; most sequences at once on one server."""

    prefill: float
    decode: float
    overhead: float
    at_once: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.prefill + self.decode + self.overhead


def vllm_server(shape: ModelShape, machine: Machine, gpus: int, cache: float, assumptions: Assumptions) -> Server:
    """Servers of vLLM on all of `machine`, `gpus` to a copy."""
    return Server(
        shape, machine.gpu, gpus, max(1, machine.count // gpus), cache, assumptions["vllm.sequences"],
        assumptions["efficiency.prefill"], assumptions["efficiency.decode"], assumptions["overhead.decode_step"], True,
    )  # fmt: skip


def embedded_server(shape: ModelShape, machine: Machine, batch: int, cache: float, assumptions: Assumptions) -> Server:
    """The decode loop of this process on one GPU."""
    share = assumptions["efficiency.embedded"]
    overhead = assumptions["overhead.embedded_layer"] * shape.layers
    return Server(shape, machine.gpu, 1, 1, cache, batch, share, share, overhead, False)


def wave_seconds(wave: WaveWork, server: Server, spread: float, longest: float) -> Sampling:
    """Seconds of one wave.

    Args:
        wave: Calls that are made at once.
        server: Who answers them; calls are spread evenly over its copies.
        spread: Longest reply as a multiple of the mean.
        longest: Most tokens a reply may have.
    """
    shape, gpu = server.shape, server.gpu
    calls = -(-wave.calls // server.count)
    context = wave.prompt + wave.sampled / 2
    room = server.cache / (shape.kv_bytes * (wave.prompt + wave.sampled)) if server.cache else server.sequences
    at_once = max(1, int(min(calls, server.sequences, room)))
    rounds = -(-calls // at_once)
    read = (wave.fresh if server.prefixes else wave.distinct) / server.count
    peak = gpu.flops * server.gpus
    prefill = shape.forward_flops(read, wave.prompt / 2, calls) / (peak * server.prefill)
    steps = min(longest, spread * wave.sampled)
    going = (calls / rounds) * wave.sampled / max(steps, 1e-9)  # mean of those that have not ended
    moved = (shape.read_bytes(going) + going * context * shape.kv_bytes) / (gpu.bandwidth * server.gpus * server.decode)
    computed = shape.forward_flops(going, context, going) / (peak * server.prefill)
    decode = rounds * steps * max(moved, computed)
    return Sampling(prefill, decode, rounds * steps * server.step_overhead, at_once)


@dataclass(frozen=True, slots=True)
class Learning:
    """Seconds of the update: `compute` and `traffic` of which the longer counts, pass by pass."""

    seconds: float
    compute: float
    traffic: float
    flops: float
    micro_batches: int


def learning_seconds(
    rows: RowWork, shape: ModelShape, recipe: Recipe, machine: Machine, assumptions: Assumptions, engine: str
) -> Learning:
    """Seconds of one step's learning.

    A pass forward over the rows costs `ModelShape.forward_flops`; backward twice that, and recomputed layers (verl)
    once more. Reference (`learner.kl` above 0) and old log-probabilities (verl computes them again) are one pass
    forward each.
    """
    verl = engine == "verl"
    count = machine.count if verl else 1
    tokens = rows.tokens if verl or engine == "trl" else rows.shared
    read = tokens if verl else rows.trained
    length = rows.tokens / max(1, rows.rows)
    forward = shape.forward_flops(tokens, length / 2, read)
    epochs = recipe.learner.epochs
    reference = 1 if recipe.learner.kl else 0
    backward = 1 if recipe.model.lora_rank else 2  # of adapters alone: the frozen matrices need no gradient
    training = epochs * (1 + backward + (1 if verl else 0)) * forward
    scoring = (reference + (1 if verl else 0)) * forward
    share = assumptions["efficiency.learn" if verl else "efficiency.embedded"]
    rate = machine.gpu.flops * count * share
    micro = max(1, -(-int(tokens) // (count * recipe.learner.micro_tokens)))
    micro = max(micro, recipe.learner.minibatches)
    # Gathered forward and backward in bfloat16, gradients scattered in float32: 2 + 2 + 4 bytes per parameter.
    trained = micro * epochs * _traffic(8, shape, machine, assumptions) if verl else 0.0
    scored = micro * (reference + 1) * _traffic(2, shape, machine, assumptions) if verl else 0.0
    seconds = max(training / rate, trained) + max(scoring / rate, scored)
    return Learning(seconds, (training + scoring) / rate, trained + scored, training + scoring, micro * epochs)


def _traffic(size: float, shape: ModelShape, machine: Machine, assumptions: Assumptions) -> float:
    """Seconds to move `size` bytes of every parameter, cut over the GPUs, in or out of each."""
    others = (machine.count - 1) / machine.count
    return size * shape.parameters * others / link_rate(machine, assumptions)


def link_rate(machine: Machine, assumptions: Assumptions) -> float:
    """Bytes per second that a collective over all GPUs moves in and out of each."""
    slowest = machine.gpu.link if machine.nodes == 1 else min(machine.gpu.link, assumptions["network.nodes"])
    return slowest * assumptions["efficiency.link"]


def sync_seconds(
    shape: ModelShape, machine: Machine, assumptions: Assumptions, engine: str, offload: Offload, micro_batches: int
) -> float:
    """Seconds until the servers have the new weights, and of moving state to and from the CPU. In one process: none.

    Every GPU gathers the weights in bfloat16. Offloaded while idle, its part of weights and moments (12 bytes per
    parameter) goes out and comes back once a step. Always offloaded, its part of the weights comes in twice per
    micro-batch and a gradient goes out (4 bytes per parameter each).
    """
    if engine != "verl":
        return 0.0
    moved = {"none": 0, "idle": 2 * 12, "full": 12 * micro_batches}[offload]
    host = moved * shape.parameters / machine.count / assumptions["network.host"]
    return 2 * shape.parameters / link_rate(machine, assumptions) + assumptions["overhead.sync"] + host


def quiz_seconds(quiz: RoleWork, server: Server, recipe: Recipe, assumptions: Assumptions) -> Sampling:
    """Seconds of the answerer, all questions at once."""
    wave = WaveWork(quiz.calls, quiz.prompt / quiz.calls, quiz.distinct, quiz.fresh, quiz.sampled / quiz.calls)
    return wave_seconds(wave, server, assumptions["reply.spread"], recipe.agents.answerer_max_tokens)
