"""Several memories on the same questions: one table, with a drawing of score against tokens.

`memories.json` (format `fairmem-memories`, version 1): `{signature, memories: {name: {score, evidence_recall, shown,
prompt_tokens, memory_tokens, unscored, total_tokens, cost, against_ours}}, skipped: {name: why}}`; intervals and
differences are those of `report.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairmem.errors import CheckpointError
from fairmem.eval.drawings import growth_by_memory, score_against_tokens, score_by_category
from fairmem.eval.page import Figure, Page, Span, Table, to_html, to_markdown, to_text
from fairmem.eval.report_json import interval_to_json, paired_to_json
from fairmem.eval.rescore import BadKeys, without
from fairmem.eval.result import EvalResult
from fairmem.eval.summary import Summary, compare, summarise
from fairmem.eval.tables import DASH, number, p_value, plural, signed, spread
from fairmem.metrics import PairedResult
from fairmem.replace import replace_text

MEMORIES = "memories.json"
MEMORIES_FORMAT = "fairmem-memories"
MEMORIES_VERSION = 1
OURS = "ours"


def format_memories(results: Mapping[str, EvalResult], skipped: Mapping[str, str], bad: BadKeys | None = None) -> str:
    """The table as a terminal shows it; with `bad`, also without the questions it lists."""
    return to_text(_page(results, skipped, bad)[0])


def read_memories(folder: Path) -> tuple[dict[str, EvalResult], dict[str, str]]:
    """(memory -> its evaluation, memory -> why it was skipped) of what `write_memories` left in `folder`.

    Raises:
        CheckpointError: there is no such table, or one of its evaluations is gone or damaged.
    """
    path = folder / MEMORIES
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if (content["format"], content["version"]) != (MEMORIES_FORMAT, MEMORIES_VERSION):
            raise CheckpointError(f"{path}: no {MEMORIES_FORMAT} of version {MEMORIES_VERSION}")
        names, skipped = list(content["memories"]), dict(content["skipped"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: cannot be read: {type(error).__name__}: {error}") from error
    return {name: EvalResult.load(folder / name / "eval.jsonl") for name in names}, skipped


def memories_content(results: Mapping[str, EvalResult], skipped: Mapping[str, str]) -> dict[str, Any]:
    """What `memories.json` holds; its layout is at the top of this file."""
    _, summaries, changes = _page(results, skipped)
    return _content(results, skipped, summaries, changes)


def _content(
    results: Mapping[str, EvalResult],
    skipped: Mapping[str, str],
    summaries: Mapping[str, Summary],
    changes: Mapping[str, PairedResult],
) -> dict[str, Any]:
    return {
        "format": MEMORIES_FORMAT,
        "version": MEMORIES_VERSION,
        "signature": next(iter(results.values())).header.signature if results else None,
        "memories": {
            name: {
                "score": interval_to_json(summary.overall),
                "evidence_recall": interval_to_json(summary.retrieval.evidence_recall),
                "shown": interval_to_json(summary.retrieval.shown),
                "prompt_tokens": interval_to_json(summary.retrieval.prompt_tokens),
                "memory_tokens": interval_to_json(summary.size.tokens),
                "unscored": summary.unscored,
                "total_tokens": results[name].header.prompt_tokens + results[name].header.reply_tokens,
                "cost": results[name].header.cost,
                "against_ours": paired_to_json(changes[name]) if name in changes else None,
            }
            for name, summary in summaries.items()
        },
        "skipped": dict(skipped),
    }


def write_memories(
    results: Mapping[str, EvalResult], skipped: Mapping[str, str], folder: Path, bad: BadKeys | None = None
) -> str:
    """Write `memories.json`, `memories.md` and `memories.html` to `folder`; returns the table as text.

    With `bad` the two pages also have the table without the questions it lists.
    """
    page, summaries, changes = _page(results, skipped, bad)
    content = _content(results, skipped, summaries, changes)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    drawn = score_against_tokens(
        [(name, s.retrieval.prompt_tokens.mean, s.overall.mean) for name, s in summaries.items() if s.overall.n]
    )
    html = to_html(page, drawn, _figures(results, summaries))
    for name, body in (("json", text), ("md", to_markdown(page)), ("html", html)):
        replace_text(folder / f"memories.{name}", body)
    return to_text(page)


def _figures(results: Mapping[str, EvalResult], summaries: Mapping[str, Summary]) -> tuple[Figure, ...]:
    categories = dict.fromkeys(name for summary in summaries.values() for name in summary.categories)
    bars = [
        (
            category,
            [
                (name, found.mean, found.low, found.high)
                for name, summary in summaries.items()
                if (found := summary.categories.get(category)) is not None
            ],
        )
        for category in categories
    ]
    grown = [(name, [memory.growth for memory in result.memories]) for name, result in results.items()]
    return (
        Figure("Score by question category", "Mean score, with its 95 % interval.", score_by_category(bars)),
        Figure("Memory growth", "Live entries after each session, mean over conversations.", growth_by_memory(grown)),
    )


def _page(
    results: Mapping[str, EvalResult], skipped: Mapping[str, str], bad: BadKeys | None = None
) -> tuple[Page, dict[str, Summary], dict[str, PairedResult]]:
    summaries = {name: summarise(result) for name, result in results.items()}
    changes = {
        name: compare(results[OURS], result).overall
        for name, result in results.items()
        if OURS in results and name != OURS
    }
    tables = [_table(results, summaries, changes), _category_table(summaries)] if results else []
    if results and bad is not None:
        tables.append(_excluded_table(summaries, {name: without(result, bad) for name, result in results.items()}, bad))
    if skipped:
        tables.append(Table("Skipped", ("memory", "why"), tuple(skipped.items()), prose=True))
    first = next(iter(results.values()), None)
    headline = ["Nothing was evaluated."]
    if first is not None:
        asked = len(first.answers)
        headline = [
            f"{first.header.signature}; {first.header.dataset}, {plural(len(first.memories), 'conversation')}, "
            f"{plural(asked, 'question')}; answered by {first.header.answerer}",
            f"At most {first.header.shown_per_speaker} entries per speaker"
            + (f" and {first.header.budget:,} tokens of entries" if first.header.budget else "")
            + f"; memory of 'ours' and of the summary kept by {first.header.model}.",
        ]
    title = "Memories on the same questions"
    caption = "Mean score of each memory against the mean tokens of the answerer's prompt (logarithmic)."
    page = Page(title, tuple(headline), tuple(tables), caption=caption, figure_title="Score against tokens")
    return page, summaries, changes


def _table(
    results: Mapping[str, EvalResult], summaries: Mapping[str, Summary], changes: Mapping[str, PairedResult]
) -> Table:
    priced = any(result.header.cost is not None for result in results.values())
    failed = any(summary.unscored for summary in summaries.values())
    columns = ["memory", "score", "95 %", "against ours", "p", "evidence", "shown", "prompt", "all tokens"]
    columns += [*(["unscored"] if failed else []), *(["cost"] if priced else [])]
    cells: list[tuple[str, ...]] = []
    for name, summary in summaries.items():
        header, change = results[name].header, changes.get(name)
        cost = DASH if header.cost is None else f"{header.cost:,.4f}"
        cells.append(
            (
                name,
                number(summary.overall.mean),
                spread(summary.overall),
                DASH if change is None else signed(change.difference),
                DASH if change is None else p_value(change),
                number(summary.retrieval.evidence_recall.mean),
                number(summary.retrieval.shown.mean, 1),
                number(summary.retrieval.prompt_tokens.mean, 0),
                f"{header.prompt_tokens + header.reply_tokens:,}",
                *((str(summary.unscored),) if failed else ()),
                *((cost,) if priced else ()),
            )
        )
    note = (
        "Means over questions; unscored ones (failed calls, prompts beyond the model's context) are in none. Against "
        "ours: paired by question, p by sign flips of conversations. Evidence: recall of evidence turns. Shown: "
        "entries per question. Prompt: tokens of the answerer's. All tokens: building memory and answering."
    )
    spans = tuple((Span(s.overall.mean, s.overall.low, s.overall.high),) for s in summaries.values())
    return Table("By memory", tuple(columns), tuple(cells), note, spans)


def _excluded_table(summaries: Mapping[str, Summary], rest: Mapping[str, EvalResult], bad: BadKeys) -> Table:
    """The score of each memory with and without the questions that `bad` lists."""
    cells: list[tuple[str, ...]] = []
    for name, result in rest.items():
        whole, left = summaries[name].overall, summarise(result).overall
        cells.append(
            (
                name,
                f"{number(whole.mean)} {spread(whole)}",
                str(whole.n),
                f"{number(left.mean)} {spread(left)}",
                str(left.n),
            )
        )
    most = max(result.header.excluded for result in rest.values())
    note = f"{plural(most, 'question')} left out, whose gold answer {bad.source} lists as wrong."
    return Table("Without known-bad keys", ("memory", "with", "n", "without", "n without"), tuple(cells), note)


def _category_table(summaries: Mapping[str, Summary]) -> Table:
    """Mean score per question category, a column per memory."""
    names = list(dict.fromkeys(name for summary in summaries.values() for name in summary.categories))
    rows: list[tuple[str, ...]] = []
    for name in names:
        found = [summary.categories.get(name) for summary in summaries.values()]
        most = max(mean.n for mean in found if mean is not None)
        rows.append((name, str(most), *(DASH if mean is None else number(mean.mean) for mean in found)))
    return Table("Mean score by question category", ("category", "n", *summaries), tuple(rows))
