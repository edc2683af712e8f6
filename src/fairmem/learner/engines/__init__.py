"""Training engines: who holds the weights, samples from them and updates them.

    embedded   one process: `Team` on torch and transformers, driven by `fairmem.train` (the default)
    verl/      verl 0.9.1: Ray, FSDP2 over many GPUs, vLLM or SGLang (extra `verl`)
    trl.py     TRL 1.16: a `GRPOTrainer` with one method of ours (extra `trl`)

The algorithm is the same on all of them: episodes, groups, rewards and credit are made by fairmem, and an engine
gets rows (`Row`) with their advantages. An engine here owns the training loop; it is given the name of a module with
`Rollouts` and `Journal` (base.py), which its processes open for themselves.

Add an engine: a module with a class that fits `Engine`, and its line in `ENGINES`.
"""

from __future__ import annotations

from fairmem.learner.engines.base import EMBEDDED, ENGINES, Engine, Job, Journal, Rolled, Rollouts, open_engine

__all__ = ["EMBEDDED", "ENGINES", "Engine", "Job", "Journal", "Rolled", "Rollouts", "open_engine"]
