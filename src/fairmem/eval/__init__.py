"""Evaluation: what a model's memory is worth in answers, with intervals, and the reports of it.

Reading and reporting results needs numpy alone; what runs a model is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fairmem.eval.comparison import Compared, Flip, compare_results, format_comparison, write_comparison
from fairmem.eval.report import format_result, report_run, write_eval_report
from fairmem.eval.rescore import BadKeys, read_bad_keys, rescored, without
from fairmem.eval.result import AnswerRecord, EvalHeader, EvalResult, MemoryRecord
from fairmem.eval.summary import Comparison, MemorySize, Summary, compare, summarise
from fairmem.eval.validation import validation_scores

if TYPE_CHECKING:
    from fairmem.eval.backend import Built, MemoryBackend
    from fairmem.eval.backends import BACKENDS
    from fairmem.eval.evaluation import EvalRequest, evaluate_dataset
    from fairmem.eval.pipeline import Asking, run_pipeline
    from fairmem.eval.runner import evaluate, make_header

__all__ = [
    "AnswerRecord",
    "Asking",
    "BACKENDS",
    "BadKeys",
    "Built",
    "Compared",
    "Comparison",
    "EvalHeader",
    "EvalRequest",
    "EvalResult",
    "Flip",
    "MemoryBackend",
    "MemoryRecord",
    "MemorySize",
    "Summary",
    "compare",
    "compare_results",
    "evaluate",
    "evaluate_dataset",
    "format_comparison",
    "format_result",
    "make_header",
    "read_bad_keys",
    "report_run",
    "rescored",
    "run_pipeline",
    "summarise",
    "validation_scores",
    "without",
    "write_comparison",
    "write_eval_report",
]

_RUNNING = {
    "BACKENDS": "backends",
    "Built": "backend",
    "MemoryBackend": "backend",
    "EvalRequest": "evaluation",
    "evaluate_dataset": "evaluation",
    "Asking": "pipeline",
    "run_pipeline": "pipeline",
    "evaluate": "runner",
    "make_header": "runner",
}


def __getattr__(name: str) -> Any:
    if name in _RUNNING:
        return getattr(importlib.import_module(f"fairmem.eval.{_RUNNING[name]}"), name)
    raise AttributeError(f"module 'fairmem.eval' has no attribute '{name}'")
