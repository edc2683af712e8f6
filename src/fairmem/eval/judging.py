"""What `fairmem judge` does: judge the answers of an evaluation's folder, or calibrate a judge against labels."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from fairmem.eval.calls import RecordedCalls
from fairmem.eval.evaluation import weights_stamp
from fairmem.eval.folder_lock import locked
from fairmem.eval.judge import PROMPTS, Agreement, Judge, calibrate, judged, read_labels, save_labels_template
from fairmem.eval.live import LiveLines
from fairmem.eval.page import Page, Table, to_text
from fairmem.eval.report import format_result, write_eval_report
from fairmem.eval.result import EvalResult
from fairmem.eval.tables import number, plural, spread
from fairmem.policy import open_ready

VERDICTS = "verdicts.jsonl"
"""File of the judge's replies, in the folder of the evaluation (or beside the labels)."""


def judge_folder(
    folder: Path,
    labels: Path | None,
    model: str,
    base_url: str,
    api_key_env: str,
    concurrency: int = 16,
    progress: Callable[[str], None] | None = None,
) -> str:
    """Judge the evaluation in `folder`, write verdicts and report there, and return the report.

    `labels` is where to write the answers as cases to be labelled, if anywhere; `progress` is told how it goes.

    Raises:
        CheckpointError: no evaluation there. EndpointError, ModelError: the judge cannot be opened.
    """
    result = EvalResult.load(folder / "eval.jsonl")
    with locked(folder, "FOLDER"):
        with _judge(model, base_url, api_key_env, concurrency, folder / VERDICTS, progress) as judge:
            result = judged(result, judge)
        result.save(folder / "eval.jsonl")
        write_eval_report(result, folder)
    text = format_result(result)
    if labels is not None:
        text += f"\n{plural(save_labels_template(result, labels), 'case')} to label written to {labels}\n"
    return text


def calibrate_file(
    path: Path,
    folder: Path | None,
    model: str,
    base_url: str,
    api_key_env: str,
    concurrency: int = 16,
    progress: Callable[[str], None] | None = None,
) -> str:
    """How the judge agrees with the labels in `path`, by both prompts; verdicts are kept in `folder` or beside them."""
    labels = read_labels(path)
    file = (folder or path.parent) / VERDICTS
    with _judge(model, base_url, api_key_env, concurrency, file, progress) as judge:
        found = [calibrate(labels, judge, strictness) for strictness in PROMPTS]
    right = sum(label.right for label in labels)
    headline = (f"{plural(len(labels), 'labelled case')}, {right} right, {len(labels) - right} wrong",)
    return to_text(Page(f"Agreement of {judge.calls.name} with {path.name}", headline, (_table(found),)))


@contextmanager
def _judge(
    model: str,
    base_url: str,
    api_key_env: str,
    concurrency: int,
    file: Path,
    progress: Callable[[str], None] | None,
) -> Generator[Judge, None, None]:
    policy = open_ready(model, base_url, api_key_env, concurrency=concurrency)
    try:
        live = None if progress is None else LiveLines(progress)
        identity = weights_stamp(model)
        yield Judge(RecordedCalls(policy, file, concurrency=concurrency, identity=identity, progress=live))
    finally:
        policy.close()


def _table(found: list[Agreement]) -> Table:
    cells = tuple(
        (
            one.strictness,
            f"{number(one.agreement.mean)} {spread(one.agreement)}",
            number(one.kappa),
            number(one.accepted_wrong),
            number(one.rejected_right),
            str(one.unjudged),
        )
        for one in found
    )
    note = (
        "Agreement: share of judged cases with the label's verdict; kappa: beyond chance. Wrong accepted and right "
        "rejected are shares of the cases labelled wrong and right. Intervals are Student's t over conversations."
    )
    columns = ("prompt", "agreement", "kappa", "wrong accepted", "right rejected", "unjudged")
    return Table("Agreement with the labels", columns, cells, note)
