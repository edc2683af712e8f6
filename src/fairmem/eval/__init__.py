"""Evaluation: what a model's memory is worth in answers, with intervals, and the reports of it.

Reading and reporting results needs numpy alone; what runs a model is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairmem.eval.report import format_result, report_run, write_eval_report
from fairmem.eval.result import AnswerRecord, EvalHeader, EvalResult, MemoryRecord
from fairmem.eval.summary import Comparison, MemorySize, Summary, compare, summarise
from fairmem.eval.validation import validation_scores

if TYPE_CHECKING:
    from fairmem.eval.runner import evaluate, evaluate_dataset, make_header

__all__ = [
    "AnswerRecord",
    "Comparison",
    "EvalHeader",
    "EvalResult",
    "MemoryRecord",
    "MemorySize",
    "Summary",
    "compare",
    "evaluate",
    "evaluate_dataset",
    "format_result",
    "make_header",
    "report_run",
    "summarise",
    "validation_scores",
    "write_eval_report",
]

_RUNNING = ("evaluate", "evaluate_dataset", "make_header")


def __getattr__(name: str) -> Any:
    if name in _RUNNING:
        from fairmem.eval import runner

        return getattr(runner, name)
    raise AttributeError(f"module 'fairmem.eval' has no attribute '{name}'")
