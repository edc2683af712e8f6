"""Defences compared: every one on the same trials, with drift left, use of relevant memory, false resets and costs.

`run_defend` asks, `report_defend` reports; `fairmem drift defend` does both.
"""

from __future__ import annotations

from fairmem.drift.defend.records import DefendedTrial, DefendHeader, DefendRun, read_defend
from fairmem.drift.defend.report import report_defend
from fairmem.drift.defend.run import DefendPlan, plan_defend, run_defend, spread
from fairmem.drift.defend.scores import DefenseScore, Scores, score_defend

__all__ = [
    "DefendHeader",
    "DefendPlan",
    "DefendRun",
    "DefendedTrial",
    "DefenseScore",
    "Scores",
    "plan_defend",
    "read_defend",
    "report_defend",
    "run_defend",
    "score_defend",
    "spread",
]
