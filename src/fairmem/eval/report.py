"""Reports: of one evaluation, and of a training run. Text for a terminal, JSON, Markdown and one HTML file.

The schema of `report.json` is in `fairmem.eval.report_json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fairmem.eval.drawings import memory_growth
from fairmem.eval.eval_page import definitions, eval_page
from fairmem.eval.page import to_html, to_markdown, to_text
from fairmem.eval.plots import HeldOut, learning_curve
from fairmem.eval.report_json import evaluation_to_json, run_to_json
from fairmem.eval.rescore import BadKeys, without
from fairmem.eval.result import EvalResult
from fairmem.eval.run_page import CURVE, run_page
from fairmem.eval.runs import read_run, timing_of
from fairmem.eval.summary import compare, summarise
from fairmem.replace import replace_text


def format_result(result: EvalResult, bad: BadKeys | None = None) -> str:
    """The report of one evaluation as a terminal shows it; with `bad`, also without the questions it lists."""
    return to_text(eval_page(result, summarise(result), bad))


def write_eval_report(result: EvalResult, folder: Path, bad: BadKeys | None = None) -> None:
    """Write `report.json`, `report.md` and `report.html` of one evaluation to `folder`, which is made if absent."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarise(result)
    page = eval_page(result, summary, bad)
    excluded = None
    if bad is not None:
        rest = without(result, bad)
        excluded = (bad.source, rest.header.excluded, summarise(rest))
    replace_text(
        folder / "report.json", _json(evaluation_to_json(result.header, summary, definitions(result), excluded))
    )
    replace_text(folder / "report.md", to_markdown(page))
    replace_text(folder / "report.html", to_html(page, memory_growth([memory.growth for memory in result.memories])))


def report_run(folder: Path) -> str:
    """Write the report of the run in `folder`, finished or stopped, there, and return it as text.

    Files: `report.json`, `report.md`, `report.html`, and the learning curve as PNG once there are steps.

    Raises:
        ConfigError, CheckpointError: not a run's folder, or something in it is damaged.
        MissingExtraError: matplotlib is not installed; JSON and Markdown are written by then.
    """
    run = read_run(folder)
    resamples = run.recipe.eval.bootstrap
    before = summarise(run.before, resamples) if run.before else None
    after = summarise(run.after, resamples) if run.after else None
    change = compare(run.before, run.after, resamples) if run.before and run.after else None
    timing = timing_of(run.timing)
    page = run_page(run, before, after, change, timing)
    replace_text(folder / "report.json", _json(run_to_json(run, before, after, change, timing)))
    replace_text(folder / "report.md", to_markdown(page))
    marks = [
        HeldOut(step, summary.overall) for step, summary in ((0, before), (run.steps, after)) if summary is not None
    ]
    figure = learning_curve(run.metrics, marks, folder / CURVE)
    replace_text(folder / "report.html", to_html(page, figure))
    files = ("report.html", "report.md", "report.json", *((CURVE,) if figure else ()))
    return f"{to_text(page)}\nWritten to {folder}: {', '.join(files)}\n"


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
