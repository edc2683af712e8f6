"""A GPU and a model so small that a plan for them can be worked by hand."""

from __future__ import annotations

from fairmem.planning import Assumptions, Gpu, Machine, ModelShape
from fairmem.planning.assumptions import DEFAULTS

# attention 4*(4 + 2*2) + 4*4 = 48, feed-forward 3*4*8 = 96, norms 8: a layer has 152; embedding 10*4 = 40
TOY = ModelShape("toy", layers=2, hidden=4, intermediate=8, heads=2, kv_heads=1, head_dim=2, vocabulary=10, tied=True)
PLAIN: Assumptions = DEFAULTS.with_values(
    {
        "memory.usable": 1.0,
        "memory.workspace": 1e-9,
        "efficiency.prefill": 0.5,
        "efficiency.decode": 0.5,
        "efficiency.learn": 0.5,
        "efficiency.embedded": 0.25,
        "efficiency.link": 1.0,
        "overhead.decode_step": 0.0,
        "overhead.embedded_layer": 0.0,
        "overhead.sync": 0.0,
        "network.host": 100.0,
        "network.nodes": 50.0,
    }
)
"""Round numbers."""


def machine(count: int, memory: float = 10_000, per_node: int = 8, link: float = 100.0) -> Machine:
    """`count` GPUs of `memory` bytes that do 1,000 operations and move 100 bytes a second."""
    gpu = Gpu("TOY", memory / 2**30, bandwidth=100.0, flops=1000.0, link=link, per_node=per_node, source="made up")
    return Machine(gpu, count, min(count, per_node))
