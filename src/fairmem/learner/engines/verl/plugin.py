"""What verl loads through the entry point `verl.plugins`, in every process: it makes our names known to verl.

agent loop   `fairmem`   episodes.py
trainer      `fairmem`   trainer.py
"""

# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from fairmem.learner.engines.verl.episodes import TreeAgentLoop
from fairmem.learner.engines.verl.trainer import TreeTrainer

REGISTERED = (TreeAgentLoop, TreeTrainer)
"""Registered under `fairmem` by being imported."""
