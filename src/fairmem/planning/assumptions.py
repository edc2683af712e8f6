"""Every number a plan rests on that does not follow from the recipe, the model or the GPU, in one table.

Each can be changed: `fairmem plan RECIPE --set efficiency.decode=0.4`. `fairmem plan RECIPE --assumptions` prints them.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairmem.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number with its unit and the reason for it."""

    value: float
    unit: str
    why: str


ASSUMPTIONS: dict[str, Assumption] = {
    "facts.per_turn": Assumption(
        1.35, "facts", "the released Memory-R2 model: 916 entries of 680 turns; village says its own"
    ),
    "facts.chars": Assumption(110, "characters", "the same: 19.8 words an entry; village says its own"),
    "answer.chars": Assumption(450, "characters", "a few sentences of thought and an answer of at most 10 words"),
    "text.chars_per_token": Assumption(
        3.45,
        "characters",
        "Qwen's tokenizer on our prompts of LoCoMo: 3.44 to 3.46; used where no tokenizer is at hand",
    ),
    "text.template": Assumption(
        12, "tokens", "what a chat template adds: a message's marks, and a default system text"
    ),
    "reply.spread": Assumption(2.0, "ratio", "longest reply of a wave to its mean; the wave lasts as long as that one"),
    "efficiency.prefill": Assumption(0.5, "share", "of peak operations that vLLM reaches when it reads prompts"),
    "efficiency.decode": Assumption(0.6, "share", "of memory bandwidth that vLLM reaches when it samples"),
    "efficiency.learn": Assumption(0.4, "share", "of peak operations under FSDP2 with packed rows and recomputation"),
    "efficiency.link": Assumption(0.7, "share", "of a link's bandwidth that collectives reach"),
    "efficiency.embedded": Assumption(
        0.3, "share", "of peak operations, or of bandwidth, that the embedded engine reaches (PyTorch, dense masks)"
    ),
    "overhead.embedded_layer": Assumption(
        0.0008, "seconds", "per layer and decode step of the embedded engine: its kernels are launched one by one"
    ),
    "overhead.decode_step": Assumption(0.003, "seconds", "per decode step of vLLM: scheduling, sampling, graph launch"),
    "overhead.call": Assumption(0.004, "seconds", "of CPU per call: search in memory, prompt, tokens, parsing"),
    "overhead.request": Assumption(0.05, "seconds", "per wave: a reply's way through Ray or HTTP and back"),
    "overhead.sync": Assumption(10.0, "seconds", "per step: vLLM goes to sleep, wakes up, captures its cache again"),
    "memory.usable": Assumption(
        0.94, "share", "of a GPU's memory; the rest is CUDA's, NCCL's, and lost between blocks"
    ),
    "memory.workspace": Assumption(2.0, "GiB", "of vLLM beside weights and cache: graphs and activations of a batch"),
    "memory.logit": Assumption(4.0, "bytes", "per logit in verl: bfloat16, and the copy divided by the temperature"),
    "memory.entropy": Assumption(6.0, "bytes", "more per logit where entropy is computed: softmax, product, gradient"),
    "network.nodes": Assumption(50e9, "bytes/s", "between nodes, per GPU and direction: one 400 Gb/s port each"),
    "network.host": Assumption(20e9, "bytes/s", "between a GPU and its CPU's memory, one direction: PCIe 4 x16"),
    "vllm.share": Assumption(0.5, "share", "of a GPU's memory that vLLM may take (gpu_memory_utilization; verl's own)"),
    "vllm.sequences": Assumption(256, "sequences", "at most at once on one server (max_num_seqs; verl's own)"),
    "vllm.tensor_parallel": Assumption(2, "GPUs", "per server (tensor_model_parallel_size; verl's own)"),
    "answerer.in_flight": Assumption(16, "requests", "that one process has open at an endpoint (OpenAIPolicy)"),
    "answerer.share": Assumption(0.9, "share", "of memory that a server of its own may take (vLLM's own)"),
}
"""Dotted name -> assumption."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The values in use. `changed` names those that are not the table's."""

    values: Mapping[str, float]
    changed: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def with_values(self, given: Mapping[str, float]) -> Assumptions:
        """These, with other values for some."""
        return Assumptions({**self.values, **given}, tuple(dict.fromkeys([*self.changed, *given])))


DEFAULTS = Assumptions({name: assumption.value for name, assumption in ASSUMPTIONS.items()})
"""Those of the table."""


def read_assumptions(words: Sequence[str]) -> Assumptions:
    """The table with `words` (`NAME=NUMBER`) put in.

    Raises:
        ConfigError: an unknown name, or not a number above 0 (a share above 1).
    """
    given: dict[str, float] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if name not in ASSUMPTIONS:
            near = difflib.get_close_matches(name, ASSUMPTIONS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "fairmem plan --assumptions lists them"
            raise ConfigError(f"assumption '{name}': not known; {hint}")
        try:
            value = float(text) if equals else math.nan
        except ValueError:
            value = math.nan
        unit = ASSUMPTIONS[name].unit
        zero = name.startswith("overhead.")
        if not math.isfinite(value) or value < 0 or (value == 0 and not zero) or (unit == "share" and value > 1):
            expected = "a share above 0 and up to 1" if unit == "share" else f"a number above 0 ({unit})"
            raise ConfigError(f"assumption {name}: found '{text}', expected {expected}")
        given[name] = value
    return DEFAULTS.with_values(given)


def table(assumptions: Assumptions = DEFAULTS) -> str:
    """All of them as text, one a line."""
    lines = [
        f"{name:<24} {assumptions[name]:>12g} {assumption.unit:<11} {assumption.why}"
        + (f" (changed from {assumption.value:g})" if name in assumptions.changed else "")
        for name, assumption in ASSUMPTIONS.items()
    ]
    return "\n".join(lines) + "\n"
