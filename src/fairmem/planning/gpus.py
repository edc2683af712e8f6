"""The GPUs a plan can be made for: memory, speed and links as their makers state them.

Dense figures, without sparsity. Memory is what `nvidia-smi` reports as total, in GiB, which is what a process can be
given at most. A GPU that is not here is one line in `GPUS`, with the sheet it comes from.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from fairmem.errors import ConfigError

GIB = 2**30
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One kind of GPU.

    Attributes:
        name: As it is asked for.
        memory_gib: Total memory, GiB.
        bandwidth: Of its memory, bytes per second.
        flops: Of its matrix units in bfloat16 with float32 accumulation, dense, floating-point operations per second.
        link: To the other GPUs of its node, bytes per second in one direction: NVLink, else PCIe.
        per_node: How many a node usually has.
        source: Where the figures are from.
    """

    name: str
    memory_gib: float
    bandwidth: float
    flops: float
    link: float
    per_node: int
    source: str

    @property
    def memory(self) -> float:
        """Bytes."""
        return self.memory_gib * GIB


_TABLE = (
    Gpu("A100-40", 40.0, 1.555e12, 312e12, 300e9, 8, "NVIDIA A100 datasheet, SXM4 40 GB; NVLink 3, 600 GB/s both ways"),
    Gpu("A100-80", 80.0, 2.039e12, 312e12, 300e9, 8, "NVIDIA A100 datasheet, SXM4 80 GB; NVLink 3, 600 GB/s both ways"),
    Gpu("H100", 79.6, 3.35e12, 989.4e12, 450e9, 8, "NVIDIA H100 datasheet, SXM5; NVLink 4, 900 GB/s both ways"),
    Gpu("H200", 140.4, 4.8e12, 989.4e12, 450e9, 8, "NVIDIA H200 datasheet, SXM; NVLink 4, 900 GB/s both ways"),
    Gpu("B200", 179.1, 7.7e12, 2250e12, 900e9, 8, "NVIDIA HGX B200 datasheet, dense; NVLink 5, 1.8 TB/s both ways"),
    Gpu("L40S", 45.0, 0.864e12, 362e12, 32e9, 8, "NVIDIA L40S datasheet; PCIe 4 x16, 64 GB/s both ways"),
    Gpu("A10G", 22.5, 0.6e12, 70e12, 32e9, 4, "NVIDIA A10G figures of AWS g5; PCIe 4 x16, 64 GB/s both ways"),
    Gpu("L4", 22.5, 0.3e12, 121e12, 32e9, 8, "NVIDIA L4 datasheet; PCIe 4 x16, 64 GB/s both ways"),
    Gpu("RTX4090", 24.0, 1.008e12, 165.2e12, 32e9, 8, "NVIDIA Ada whitepaper, float32 accumulation; PCIe 4 x16"),
)

GPUS: dict[str, Gpu] = {gpu.name: gpu for gpu in _TABLE}
"""Name -> GPU."""

_ASKED = re.compile(r"(?:(\d+)\s*x\s*)?(\S.*)", re.IGNORECASE)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("gb").removesuffix("sxm")


@dataclass(frozen=True, slots=True)
class Machine:
    """`count` GPUs of one kind, `per_node` on a node."""

    gpu: Gpu
    count: int
    per_node: int

    @property
    def nodes(self) -> int:
        """How many nodes that is."""
        return -(-self.count // self.per_node)

    @property
    def label(self) -> str:
        """As it was asked for, such as `8xH100`."""
        return f"{self.count}x{self.gpu.name}"


def read_machine(text: str, per_node: int | None = None) -> Machine:
    """The machine that `text` names: `8xH100`, or `H100` for one.

    Args:
        text: Count and kind.
        per_node: GPUs on a node; None takes what is usual for the kind.

    Raises:
        ConfigError: not of that form, or a kind that is not in `GPUS`.
    """
    found = _ASKED.fullmatch(text.strip())
    count, name = (int(found[1] or 1), found[2]) if found else (0, text)
    by_key = {_key(known): gpu for known, gpu in GPUS.items()}
    gpu = by_key.get(_key(name))
    if gpu is None or count < 1:
        near = difflib.get_close_matches(_key(name), by_key, n=1)
        hint = f"; did you mean {by_key[near[0]].name}?" if near else ""
        raise ConfigError(f"GPUs '{text}': expected COUNTxKIND, as in 8xH100, of {', '.join(GPUS)}{hint}")
    most = gpu.per_node if per_node is None else per_node
    if most < 1:
        raise ConfigError(f"GPUs per node is {most}, expected at least 1")
    return Machine(gpu, count, min(most, count))
