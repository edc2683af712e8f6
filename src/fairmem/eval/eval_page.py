"""The report of one evaluation, before it has a format."""

from __future__ import annotations

from collections.abc import Sequence

from fairmem.eval.page import Page, Reply, Sampled
from fairmem.eval.rescore import JUDGED, BadKeys, rescored, without
from fairmem.eval.result import AnswerRecord, EvalResult
from fairmem.eval.summary import Summary, summarise
from fairmem.eval.tables import (
    definition_table,
    distillation_table,
    excluded_table,
    headline,
    judge_table,
    kind_table,
    memory_table,
    op_table,
    plural,
    reply_table,
    retrieval_table,
    score_table,
    settings_table,
)
from fairmem.metrics import ANSWER_SCORES, Interval
from fairmem.seeds import python_rng

SAMPLED = 30
"""Questions that a report shows with their answers."""


def eval_page(result: EvalResult, summary: Summary, bad: BadKeys | None = None) -> Page:
    """The report of `result`, whose numbers are `summary`; with `bad`, also without the questions it lists."""
    header = result.header
    tables = [score_table(summary, header)] if summary.asked else []
    if any(answer.kind for answer in result.answers):
        tables.append(kind_table(_kinds(result)))
    if bad is not None:
        rest = without(result, bad)
        tables.append(excluded_table(summary, summarise(rest), bad.source, rest.header.excluded))
    if summary.overall.n:
        tables.append(definition_table(definitions(result)))
    if header.judge:
        sides = {prompt: summarise(rescored(result, name), 2_000) for name, prompt in JUDGED.items()}
        tables.append(judge_table(sides, header.judge))
    if summary.conversations > summary.failed:
        tables.append(memory_table(summary))
    if summary.retrieval.evidence_recall.n:
        tables.append(retrieval_table(summary))
    if summary.distillation is not None:
        tables.append(distillation_table({"": summary}))
    if summary.replies:
        tables.append(reply_table({"": summary}))
    if summary.ops:
        tables.append(op_table({"": summary}))
    tables.append(settings_table(header, summary))
    picked = pick(result.answers, header.seed)
    return Page(
        title=f"Evaluation on {header.dataset}: memory kept by {header.model}",
        headline=tuple(headline(summary, header, first_failures(result))),
        tables=tuple(tables),
        caption="Live entries after each session: each conversation, and their mean.",
        figure_title="Memory growth",
        samples=tuple(
            Sampled(f"{a.conversation}, {a.category}", a.text, a.gold, (reply("answer", a),)) for a in picked
        ),
        samples_note=f"Drawn by the seed from {plural(summary.asked, 'question')}.",
    )


def definitions(result: EvalResult) -> dict[str, Interval]:
    """Signature -> mean of the same answers by that definition; those that apply to no question are left out."""
    scored = [rescored(result, name) for name in (*ANSWER_SCORES, *(JUDGED if result.header.judge else ()))]
    means = {again.header.signature: summarise(again, resamples=2_000).overall for again in scored if again.answers}
    return {signature: mean for signature, mean in means.items() if mean.n}


def _kinds(result: EvalResult) -> dict[str, Interval]:
    found: dict[str, Interval] = {}
    for kind in sorted({answer.kind for answer in result.answers}):
        answers = tuple(answer for answer in result.answers if answer.kind == kind)
        found[kind or "(none)"] = summarise(result.model_copy(update={"answers": answers}), 2_000).overall
    return found


def pick(answers: Sequence[AnswerRecord], seed: int) -> list[AnswerRecord]:
    """The sample of `answers` that a report shows, in an order drawn by `seed`."""
    drawn = python_rng(seed, "report-sample").sample(range(len(answers)), min(SAMPLED, len(answers)))
    return [answers[i] for i in drawn]


def reply(label: str, answer: AnswerRecord) -> Reply:
    """`answer` as a report shows it; what failed says so."""
    failed = f"call failed: {_short(answer.failure or 'unknown')}"
    return Reply(label, failed if answer.answer is None else answer.answer or "(empty)", answer.score)


def first_failures(result: EvalResult) -> list[str]:
    """The message of the first failed memory and of the first failed answer, where known."""
    memory = next((m.failure for m in result.memories if m.failure), None)
    answer = next((a.failure for a in result.answers if a.failure), None)
    return [_short(message) for message in dict.fromkeys((memory, answer)) if message]


def _short(message: str) -> str:
    return message if len(message) <= 200 else message[:197] + "..."
