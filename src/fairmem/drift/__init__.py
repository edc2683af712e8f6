"""Memory drift: does memory that has no bearing on a task move the parameters of tool calls?

`load_scenarios` reads what is asked, `make_arms` what stands in memory, `open_model` (or anything that fits
`CallModel`) who answers; `run_audit` asks and `report_audit` reports.
"""

from __future__ import annotations

from fairmem.drift.answer import Answer, Ask, CallModel, Outcome
from fairmem.drift.arms import Arm, make_arms
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters
from fairmem.drift.deflection import call_deflection, expected_deflection
from fairmem.drift.files import load_scenarios, read_scenarios
from fairmem.drift.models import open_model
from fairmem.drift.report import report_audit
from fairmem.drift.runner import run_audit
from fairmem.drift.scenario import Scenario
from fairmem.drift.summary import Summary, summarise
from fairmem.drift.trials import Run, Trial, read_run

__all__ = [
    "Answer",
    "Arm",
    "Ask",
    "CallModel",
    "ClosedFormModel",
    "DriftParameters",
    "Outcome",
    "Run",
    "Scenario",
    "Summary",
    "Trial",
    "call_deflection",
    "expected_deflection",
    "load_scenarios",
    "make_arms",
    "open_model",
    "read_run",
    "read_scenarios",
    "report_audit",
    "run_audit",
    "summarise",
]
