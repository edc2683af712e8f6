"""Several memories on the same questions: one table, with a drawing of score against tokens.

`memories.json` (format `fairmem-memories`, version 1): `{signature, memories: {name: {score, evidence_recall, shown,
prompt_tokens, memory_tokens, unscored, total_tokens, cost, against_ours}}, skipped: {name: why}}`; intervals and
differences are those of `report.json`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairmem.eval.drawings import score_against_tokens
from fairmem.eval.page import Page, Span, Table, to_html, to_markdown, to_text
from fairmem.eval.report_json import interval_to_json, paired_to_json
from fairmem.eval.result import EvalResult
from fairmem.eval.summary import Summary, compare, summarise
from fairmem.eval.tables import DASH, number, p_value, plural, signed, spread
from fairmem.metrics import PairedResult

MEMORIES_FORMAT = "fairmem-memories"
MEMORIES_VERSION = 1
OURS = "ours"


def format_memories(results: Mapping[str, EvalResult], skipped: Mapping[str, str]) -> str:
    """The table as a terminal shows it."""
    return to_text(_page(results, skipped)[0])


def memories_content(results: Mapping[str, EvalResult], skipped: Mapping[str, str]) -> dict[str, Any]:
    """What `memories.json` holds; its layout is at the top of this file."""
    _, summaries, changes = _page(results, skipped)
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


def write_memories(results: Mapping[str, EvalResult], skipped: Mapping[str, str], folder: Path) -> None:
    """Write `memories.json`, `memories.md` and `memories.html` to `folder`."""
    page, summaries, _ = _page(results, skipped)
    text = json.dumps(memories_content(results, skipped), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    drawn = score_against_tokens(
        [(name, s.retrieval.prompt_tokens.mean, s.overall.mean) for name, s in summaries.items() if s.overall.n]
    )
    for name, body in (("json", text), ("md", to_markdown(page)), ("html", to_html(page, drawn))):
        partial = folder / f"memories.{name}.partial"
        partial.write_text(body, encoding="utf-8")
        os.replace(partial, folder / f"memories.{name}")


def _page(
    results: Mapping[str, EvalResult], skipped: Mapping[str, str]
) -> tuple[Page, dict[str, Summary], dict[str, PairedResult]]:
    summaries = {name: summarise(result) for name, result in results.items()}
    changes = {
        name: compare(results[OURS], result).overall
        for name, result in results.items()
        if OURS in results and name != OURS
    }
    tables = [_table(results, summaries, changes), _category_table(summaries)] if results else []
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


def _category_table(summaries: Mapping[str, Summary]) -> Table:
    """Mean score per question category, a column per memory."""
    names = list(dict.fromkeys(name for summary in summaries.values() for name in summary.categories))
    rows: list[tuple[str, ...]] = []
    for name in names:
        found = [summary.categories.get(name) for summary in summaries.values()]
        most = max(mean.n for mean in found if mean is not None)
        rows.append((name, str(most), *(DASH if mean is None else number(mean.mean) for mean in found)))
    return Table("Mean score by question category", ("category", "n", *summaries), tuple(rows))
