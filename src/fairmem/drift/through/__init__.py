"""Drift through memory systems: what is told to a memory, what of it reaches the prompt, and what the call makes of it.

`told` writes the conversation, `systems` has the memories, `ingest` tells them and asks them, `exposure` says what
arrived, `conversion` what followed from it, and `comparison` sets several memories side by side.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fairmem.drift.through.exposure import Exposure, carried, coverage, exposure
from fairmem.drift.through.recalled import AgentMemory, Line, Recalled, RecallFile
from fairmem.drift.through.told import Told, tell

if TYPE_CHECKING:
    from fairmem.drift.through.comparison import report_systems, run_systems
    from fairmem.drift.through.conversion import ArmConversion, conversions
    from fairmem.drift.through.ingest import SystemMemory, WriterOptions, open_systems
    from fairmem.drift.through.system_result import SystemResult, compare_systems
    from fairmem.drift.through.systems import SYSTEMS

__all__ = [
    "AgentMemory",
    "ArmConversion",
    "Exposure",
    "Line",
    "RecallFile",
    "Recalled",
    "SYSTEMS",
    "SystemMemory",
    "SystemResult",
    "Told",
    "WriterOptions",
    "carried",
    "compare_systems",
    "conversions",
    "coverage",
    "exposure",
    "open_systems",
    "report_systems",
    "run_systems",
    "tell",
]

# The runner needs the records alone; the systems bring all of fairmem's memory with them.
_LATER = {
    "SystemResult": "system_result",
    "compare_systems": "system_result",
    "report_systems": "comparison",
    "run_systems": "comparison",
    "ArmConversion": "conversion",
    "conversions": "conversion",
    "SystemMemory": "ingest",
    "WriterOptions": "ingest",
    "open_systems": "ingest",
    "SYSTEMS": "systems",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"fairmem.drift.through.{_LATER[name]}"), name)
    raise AttributeError(f"module 'fairmem.drift.through' has no attribute '{name}'")
