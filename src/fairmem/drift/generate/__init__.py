"""Making new drift scenarios: a planner, a writer, an adversary and an auditor over any chat model, or templates alone.

`generate` fills the cells in turn and appends what passes to a file; what does not is counted by stage and reason.
Scenarios that were selected on a model say so, and `run_audit` refuses to report on that model.
"""

from __future__ import annotations

from fairmem.drift.generate.attempts import Counts
from fairmem.drift.generate.generation import GenerateConfig, generate
from fairmem.drift.generate.measure import Measured, Selector
from fairmem.drift.generate.outcome import Rejected, Stage
from fairmem.drift.generate.templates import from_templates

__all__ = [
    "Counts",
    "GenerateConfig",
    "Measured",
    "Rejected",
    "Selector",
    "Stage",
    "from_templates",
    "generate",
]
