"""The tables of reports: one function per table, from summaries to cells. `None` means the evaluation is not there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from fairmem.eval.page import Span, Table
from fairmem.eval.result import EvalHeader
from fairmem.eval.summary import FEW, Comparison, Distillation, Summary
from fairmem.metrics import Interval, PairedResult

DASH = "–"
_INTERVALS = (
    "95 % intervals treat conversations as the units drawn: cluster bootstrap, or Student's t below "
    f"{FEW} conversations. Means are micro means, over questions."
)


def score_table(summary: Summary, header: EvalHeader) -> Table:
    """Score by category, with the category mix."""
    rows = [("all", summary.overall), *summary.categories.items()]
    asked = {name: interval.n + interval.unscored for name, interval in rows}
    cells = tuple(
        (
            name,
            number(interval.mean),
            spread(interval),
            str(asked[name]),
            f"{100 * asked[name] / summary.asked:.0f} %" if summary.asked else DASH,
            str(interval.clusters),
            str(interval.unscored),
        )
        for name, interval in rows
    )
    return Table(
        "Score by question category",
        ("category", "F1" if header.signature.startswith("F1") else "score", "95 %", "n", "mix", "conv.", "unscored"),
        cells,
        _score_note(summary, header),
        tuple((_span(interval),) for _, interval in rows),
    )


def change_table(before: Summary, after: Summary, change: Comparison, header: EvalHeader) -> Table:
    """Score by category before and after, with the paired difference."""
    rows = [("all", before.overall, after.overall, change.overall)]
    rows += [
        (name, before.categories[name], after.categories[name], paired) for name, paired in change.categories.items()
    ]
    cells = tuple(
        (
            name,
            f"{number(old.mean)} {spread(old)}",
            f"{number(new.mean)} {spread(new)}",
            signed(paired.difference),
            signed_spread(paired),
            p_value(paired),
            str(paired.n),
            str(paired.clusters),
            str(paired.unscored),
        )
        for name, old, new, paired in rows
    )
    p_note = "p: sign flips of whole conversations, which cannot go below 2 / 2^conversations."
    return Table(
        "Score by question category, before and after",
        ("category", "before", "after", "change", "95 %", "p", "n", "conv.", "unscored"),
        cells,
        f"{_score_note(after, header)} The change is paired by question; n counts pairs scored on both sides. {p_note}",
        tuple((_span(old), _span(new)) for _, old, new, _ in rows),
    )


def memory_table(after: Summary, before: Summary | None = None, change: Comparison | None = None) -> Table:
    """Size of the memories and what became of the evidence; with `before` and `change`, both sides."""
    rows: list[tuple[str, Callable[[Summary], Interval], Callable[[Comparison], PairedResult], int]] = [
        ("entries per conversation", lambda s: s.size.entries, lambda c: c.entries, 1),
        ("tokens per conversation", lambda s: s.size.tokens, lambda c: c.tokens, 0),
        ("tokens, share of the dialogue", lambda s: s.size.share, lambda c: c.share, 3),
        ("M-Fail: evidence not in memory", lambda s: s.m_fail, lambda c: c.m_fail, 3),
        ("R-Fail: in memory, not shown", lambda s: s.r_fail, lambda c: c.r_fail, 3),
    ]
    note = (
        f"After the last session; sizes are means over conversations, {after.conversations - after.failed} of "
        f"{after.conversations} with a memory. M-Fail and R-Fail are shares of all {after.m_fail.n} evidence turns of "
        "the asked questions, by the turn ids that entries carry."
    )
    if before is None or change is None:
        cells = tuple((name, number(of(after).mean, d), spread(of(after), d)) for name, of, _, d in rows)
        return Table("Memory", ("", "mean", "95 %"), cells, note)
    cells = tuple(
        (
            name,
            f"{number(of(before).mean, d)} {spread(of(before), d)}",
            f"{number(of(after).mean, d)} {spread(of(after), d)}",
            signed(diff(change).difference, d),
            signed_spread(diff(change), d),
        )
        for name, of, diff, d in rows
    )
    return Table("Memory, before and after", ("", "before", "after", "change", "95 %"), cells, note)


def retrieval_table(summary: Summary) -> Table:
    """What the answerer was shown of the evidence."""
    found = summary.retrieval
    rows = [
        ("evidence recall", found.evidence_recall, 3),
        ("retrieval recall, of what memory holds", found.stored_recall, 3),
        ("reciprocal rank of the first evidence", found.reciprocal_rank, 3),
        ("entries shown", found.shown, 1),
        ("tokens of the answerer's prompt", found.prompt_tokens, 0),
    ]
    cells = tuple((name, number(mean.mean, d), spread(mean, d), str(mean.n)) for name, mean, d in rows if mean.n)
    note = "Means over questions; the first three over questions with evidence in the conversation. Rank: by match."
    return Table("Retrieval", ("", "mean", "95 %", "n"), cells, note)


def distillation_table(sides: Mapping[str, Summary]) -> Table:
    """What the answerer kept of the entries shown; `sides` are summaries that have it, by name."""
    rows: list[tuple[str, Callable[[Distillation], Interval], int]] = [
        ("entries kept", lambda d: d.kept, 1),
        ("precision: kept entries that hold evidence", lambda d: d.precision, 3),
        ("recall: evidence entries shown that were kept", lambda d: d.recall, 3),
        ("well-formed lists", lambda d: d.formed, 3),
    ]
    found = {name: side.distillation for name, side in sides.items() if side.distillation is not None}
    cells = tuple(
        (what, *(f"{number(of(d).mean, digits)} {spread(of(d), digits)}" for d in found.values()))
        for what, of, digits in rows
    )
    note = "Means over questions. An entry holds evidence if a turn of the question's evidence is among its sources."
    return Table("Memory distillation", ("", *(name or "mean, 95 %" for name in found)), cells, note)


def definition_table(definitions: Mapping[str, Interval]) -> Table:
    """The same answers under every definition of the score."""
    cells = tuple((name, number(mean.mean), spread(mean), str(mean.n)) for name, mean in definitions.items())
    note = "The same answers, by each definition in use; compare only with published numbers of the same one."
    return Table("The same answers by other definitions", ("signature", "mean", "95 %", "n"), cells, note)


def judge_table(sides: Mapping[str, Summary], judge: str) -> Table:
    """Share of answers that a judge calls right, per prompt; `sides` are summaries over its verdicts."""
    first = next(iter(sides.values()))
    rows = [("all", [side.overall for side in sides.values()])]
    rows += [(name, [side.categories[name] for side in sides.values()]) for name in first.categories]
    cells = tuple(
        (name, *(f"{number(mean.mean)} {spread(mean)}" for mean in means), *(str(mean.unscored) for mean in means))
        for name, means in rows
    )
    note = (
        f"Answers that {judge} calls right, by two prompts; published numbers mostly use a lenient one. Failed calls "
        "and replies without a verdict are unjudged and in no mean. How far to trust it: fairmem judge --calibrate."
    )
    why = {name: failure_line(side.failures) for name, side in sides.items() if side.failures}
    if why:
        note += f" Unjudged: {'; '.join(f'{name}: {kinds}' for name, kinds in why.items())}."
    return Table("By a judge", ("category", *sides, *(f"unjudged {name}" for name in sides)), cells, note)


def kind_table(kinds: Mapping[str, Interval]) -> Table:
    """Score by the dataset's own types of question."""
    cells = tuple(
        (name, number(mean.mean), spread(mean), str(mean.n), str(mean.unscored)) for name, mean in kinds.items()
    )
    return Table("Score by the dataset's own type of question", ("type", "mean", "95 %", "n", "unscored"), cells)


def excluded_table(whole: Summary, rest: Summary, file: str, questions: int) -> Table:
    """The score with and without questions whose key is known to be wrong."""
    rows = [("all", whole.overall, rest.overall)]
    rows += [(name, mean, rest.categories[name]) for name, mean in whole.categories.items() if name in rest.categories]
    cells = tuple(
        (name, f"{number(a.mean)} {spread(a)}", str(a.n), f"{number(b.mean)} {spread(b)}", str(b.n))
        for name, a, b in rows
    )
    note = f"{plural(questions, 'question')} left out, whose gold answer {file} lists as wrong."
    return Table("Without known-bad keys", ("category", "with", "n", "without", "n without"), cells, note)


def reply_table(sides: Mapping[str, Summary]) -> Table:
    """Share of replies parsed as asked, per role; `sides` names the summaries (`""` for a single one)."""
    roles = list(dict.fromkeys(role for summary in sides.values() for role in summary.parse))
    cells: list[tuple[str, ...]] = []
    for role in roles:
        for side, summary in sides.items():
            found = summary.parse.get(role)
            if found is not None:
                kinds = [(k.split(" ", 1)[1], n) for k, n in summary.replies.items() if k.split(" ", 1)[0] == role]
                cells.append(
                    (
                        f"{role} {side}".strip(),
                        number(found.mean),
                        spread(found),
                        str(found.n),
                        ", ".join(f"{kind} {count}" for kind, count in kinds),
                    )
                )
    return Table(
        "Replies parsed as asked",
        ("role", "share", "95 %", "replies", "outcomes"),
        tuple(cells),
        "Parsed as asked: outcome ok or empty (nothing to do).",
    )


def op_table(sides: Mapping[str, Summary]) -> Table:
    """Memory operations by outcome, over all conversations."""
    names = sorted({name for summary in sides.values() for name in summary.ops})
    cells: list[tuple[str, ...]] = []
    totals = {side: sum(summary.ops.values()) for side, summary in sides.items()}
    for name in [*names, "all"]:
        row = [name]
        for side, summary in sides.items():
            count = totals[side] if name == "all" else summary.ops.get(name, 0)
            row += [f"{count:,}", f"{100 * count / totals[side]:.1f} %" if totals[side] else DASH]
        cells.append(tuple(row))
    columns = [name for side in sides for name in (f"count {side}".strip(), f"share {side}".strip())]
    return Table("Memory operations by outcome", ("operation and outcome", *columns), tuple(cells))


def settings_table(header: EvalHeader, summary: Summary) -> Table:
    """What was run."""
    rows = [
        ("dataset", f"{header.dataset}, {plural(summary.conversations, 'conversation')}"),
        ("model that keeps the memory", header.model),
        ("memory", header.memory),
        ("model that answers", header.answerer),
        ("score", header.signature),
        ("categories", ", ".join(header.categories)),
        ("shown to the answerer", f"at most {plural(header.shown_per_speaker, 'entry', 'entries')} per speaker"),
        ("temperature, seed", f"{header.temperature:g}, {header.seed}"),
        *((("token budget of entries shown", f"{header.budget:,}"),) if header.budget else ()),
        ("model calls", f"{header.calls:,}, {header.failures:,} failed"),
        *(
            (("tokens of prompts, of replies", f"{header.prompt_tokens:,}, {header.reply_tokens:,}"),)
            if header.prompt_tokens
            else ()
        ),
        *((("cost at the prices given", f"{header.cost:,.4f}"),) if header.cost is not None else ()),
        *((f"prompt of the {role}", digest[:12]) for role, digest in header.prompt_hashes.items()),
    ]
    return Table("What was evaluated", ("", ""), tuple(rows), prose=True)


def _score_note(summary: Summary, header: EvalHeader) -> str:
    missing = [name for name in header.categories if name not in summary.categories]
    none = f" No questions of: {', '.join(missing)}." if missing else ""
    return f"{header.signature}. {_INTERVALS} Unscored questions (failed calls) are in no mean.{none}"


def _span(interval: Interval) -> Span:
    return Span(interval.mean, interval.low, interval.high)


def plural(count: int, one: str, many: str = "") -> str:
    """`1 entry`, `2 entries`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def number(value: float, digits: int = 3) -> str:
    """`value`, or a dash where there is none."""
    return DASH if math.isnan(value) else f"{value:,.{digits}f}"


def spread(interval: Interval, digits: int = 3) -> str:
    """`[low, high]`, or a dash where there is no interval."""
    if math.isnan(interval.low):
        return DASH
    return f"[{interval.low:,.{digits}f}, {interval.high:,.{digits}f}]"


def signed(value: float, digits: int = 3) -> str:
    """`value` with its sign, or a dash."""
    return DASH if math.isnan(value) else f"{value:+,.{digits}f}"


def signed_spread(paired: PairedResult, digits: int = 3) -> str:
    """`[low, high]` with signs, or a dash."""
    if math.isnan(paired.low):
        return DASH
    return f"[{paired.low:+,.{digits}f}, {paired.high:+,.{digits}f}]"


def p_value(paired: PairedResult) -> str:
    """The p value; `<` where rounding would show zero."""
    if math.isnan(paired.p):
        return DASH
    return "<0.001" if paired.p < 0.001 else f"{paired.p:.3f}"


def failure_line(counts: Mapping[str, int]) -> str:
    """`timeout 3, unreachable 1`."""
    return ", ".join(f"{kind} {count}" for kind, count in counts.items())


def headline(summary: Summary, header: EvalHeader, first_failures: Sequence[str]) -> list[str]:
    """The score in one line, then what failed, most important first. `first_failures` are messages to show."""
    overall = summary.overall
    asked = f"{plural(summary.asked, 'question')}, {plural(summary.conversations, 'conversation')}"
    if overall.n:
        few = " (no interval from one conversation)" if math.isnan(overall.low) else ""
        mix = ", ".join(f"{name} {100 * mean.n / overall.n:.0f} %" for name, mean in summary.categories.items())
        lines = [
            f"{header.signature} {number(overall.mean)} {spread(overall)}{few}  ({asked})",
            f"n {overall.n}: {mix}; at most {plural(header.shown_per_speaker, 'entry', 'entries')} per speaker shown.",
        ]
    elif summary.failed and summary.failed == summary.conversations:
        tried = plural(summary.conversations, "conversation")
        lines = [f"NO SCORE: everything failed. Not one memory could be built ({tried}), so nothing was asked."]
    elif summary.asked:
        lines = [f"NO SCORE: everything failed. Not one of {plural(summary.asked, 'question')} got an answer."]
    else:
        lines = ["NO SCORE: the conversations hold no question of the chosen categories."]
    if overall.n and summary.unscored:
        lines.append(
            f"{summary.unscored} of {plural(summary.asked, 'question')} unscored, since calls failed: "
            f"{failure_line(summary.failures)}; the mean is over the others."
        )
    elif summary.unscored:
        lines.append(f"Failures: {failure_line(summary.failures)}.")
    if overall.n and summary.failed:
        lines.append(
            f"{summary.failed} of {plural(summary.conversations, 'conversation')} failed before the questions; "
            "theirs were not asked and count neither way."
        )
    if header.failures:
        lines.append(f"{header.failures:,} of {plural(header.calls, 'model call')} failed.")
    return [*lines, *(f"First failure: {message}" for message in first_failures)]
