"""The report of a training run, finished or stopped, before it has a format."""

from __future__ import annotations

import math

from fairmem.eval.eval_page import SAMPLED, first_failures, pick, reply
from fairmem.eval.page import Page, Sampled, Table, Tile
from fairmem.eval.plots import drawable
from fairmem.eval.runs import Run, Timing, recipe_changes, stages_of, totals, trends
from fairmem.eval.summary import Comparison, Summary
from fairmem.eval.tables import (
    DASH,
    change_table,
    distillation_table,
    headline,
    memory_table,
    number,
    op_table,
    plural,
    reply_table,
    score_table,
    settings_table,
    signed,
    signed_spread,
    spread,
)
from fairmem.runlog import duration
from fairmem.seeds import python_rng

CURVE = "learning_curve.png"
"""Name of the learning curve in a run's folder."""


def run_page(
    run: Run, before: Summary | None, after: Summary | None, change: Comparison | None, timing: Timing
) -> Page:
    """The report of `run`. `change` is there if both evaluations are."""
    tables: list[Table] = []
    sides = {name: summary for name, summary in (("before", before), ("after", after)) if summary is not None}
    if run.before and run.after and before and after and change:
        tables = [change_table(before, after, change, run.after.header), memory_table(after, before, change)]
    elif (result := run.after or run.before) and (summary := after or before):
        tables = [score_table(summary, result.header)] if summary.asked else []
        tables += [memory_table(summary)] if summary.conversations > summary.failed else []
    distilled = any(side.distillation is not None for side in sides.values())
    tables += [distillation_table(sides)] if distilled else []
    tables += [reply_table(sides)] if any(s.replies for s in sides.values()) else []
    tables += [op_table(sides)] if any(s.ops for s in sides.values()) else []
    tables += _run_tables(run, timing)
    result, summary = run.after or run.before, after or before
    tables += [settings_table(result.header, summary)] if result and summary else []
    samples, note = _samples(run, change)
    return Page(
        title=f"Training run {run.recipe.name}",
        headline=tuple(_headline(run, before, after, change)),
        tables=tuple(tables),
        tiles=tuple(_tiles(run, before, after, change, timing)),
        figure_file=CURVE if drawable(run.metrics) else "",
        caption="Each training step: F1 of the sampled rollouts, entries per memory, KL to the reference. "
        "Held-out scores are on other conversations, at the temperature of the evaluation.",
        samples=tuple(samples),
        samples_note=note,
    )


def _headline(run: Run, before: Summary | None, after: Summary | None, change: Comparison | None) -> list[str]:
    planned = plural(run.recipe.steps, "step")
    lines: list[str] = []
    if change is not None and before is not None and after is not None:
        paired = change.overall
        name = run.after.header.signature if run.after else "Score"
        if paired.n:
            clear = not math.isnan(paired.low) and (paired.low > 0 or paired.high < 0)
            verdict = "" if clear else "; no clear change, since the interval holds 0"
            verdict = "; one conversation gives no interval" if math.isnan(paired.low) else verdict
            lines.append(
                f"{name} {number(before.overall.mean)} before, {number(after.overall.mean)} after training: "
                f"{signed(paired.difference)} {signed_spread(paired)}{verdict}"
            )
        else:
            lines.append("NO COMPARISON: not one question was scored both before and after training.")
        if change.unpaired:
            lines.append(f"{plural(change.unpaired, 'question')} asked on one side only, left out of the change.")
    elif not run.finished:
        lines.append(f"STOPPED after {run.steps} of {planned}; go on with `fairmem train ... --resume`.")
        if before is None:
            lines.append("There is no evaluation yet.")
        else:
            lines.append("There is no evaluation after training: scores below are of the model before training.")
    elif after is None:
        lines.append("Finished, but the recipe names no test or validation conversations, so there are no scores.")
    for name, result, summary in (("Before", run.before, before), ("After", run.after, after)):
        if result is not None and summary is not None:
            lines += [f"{name}: {line}" for line in headline(summary, result.header, first_failures(result))]
    done = f"{run.steps} of {planned} done"
    if run.finished and run.steps < run.recipe.steps:
        done = f"{plural(run.steps, 'step')} done; the curriculum did without {run.recipe.steps - run.steps} more"
    return [*lines, f"Seed {run.recipe.seed}, data seed {run.recipe.data.seed}, {done}."]


def _tiles(
    run: Run, before: Summary | None, after: Summary | None, change: Comparison | None, timing: Timing
) -> list[Tile]:
    tiles: list[Tile] = []
    if change is not None and before is not None and after is not None:
        scores = f"{number(before.overall.mean, 2)} → {number(after.overall.mean, 2)}"
        sizes = f"{number(before.size.entries.mean, 1)} → {number(after.size.entries.mean, 1)}"
        tiles += [
            Tile("score before → after", scores, f"{change.better} questions better, {change.worse} worse"),
            Tile("change of score", signed(change.overall.difference), signed_spread(change.overall)),
            Tile("entries per memory", sizes, f"change {signed_spread(change.entries, 1)}"),
        ]
    elif (summary := after or before) is not None:
        when = "after training" if after else "before training"
        tiles.append(Tile(f"score {when}", number(summary.overall.mean), spread(summary.overall)))
        tiles.append(Tile(f"entries per memory {when}", number(summary.size.entries.mean, 1)))
    tiles.append(Tile("steps", f"{run.steps} of {run.recipe.steps}", "finished" if run.finished else "stopped"))
    if timing.seconds is not None:
        tiles.append(Tile("time of the steps", duration(timing.seconds)))
    if timing.effective is not None:
        share = "" if timing.efficiency is None else f"{100 * timing.efficiency:.0f} % of the engine's peak"
        tiles.append(Tile("effective tokens/s in rollouts", f"{timing.effective:,.0f}", share))
    return tiles


def _samples(run: Run, change: Comparison | None) -> tuple[list[Sampled], str]:
    """Questions with their answers on both sides; those whose answer changed come first, in a drawn order."""
    if run.before is None or run.after is None or change is None:
        result = run.after or run.before
        if result is None:
            return [], ""
        label = "after" if run.after else "before"
        picked = pick(result.answers, run.recipe.seed)
        cards = [Sampled(f"{a.conversation}, {a.category}", a.text, a.gold, (reply(label, a),)) for a in picked]
        return cards, f"Drawn by the seed from {plural(len(result.answers), 'question')}."
    later = {(a.conversation, a.question): a for a in run.after.answers}
    pairs = [(a, later[key]) for a in run.before.answers if (key := (a.conversation, a.question)) in later]
    python_rng(run.recipe.seed, "report-sample").shuffle(pairs)
    pairs.sort(key=lambda pair: pair[0].answer == pair[1].answer)
    cards = [
        Sampled(f"{a.conversation}, {a.category}", a.text, a.gold, (reply("before", a), reply("after", b)))
        for a, b in pairs[:SAMPLED]
    ]
    changed = sum(a.answer != b.answer for a, b in pairs)
    return cards, (
        f"{changed} of {plural(len(pairs), 'answer')} changed: {change.better} scores rose, {change.worse} fell. "
        "Changed answers come first, in an order drawn by the seed."
    )


def _run_tables(run: Run, timing: Timing) -> list[Table]:
    """Training in numbers, its time, and the recipe."""
    tables = [_recipe_table(run)]
    if run.metrics:
        tables = [_training_table(run), *_stage_tables(run), *tables]
    times = _timing_rows(timing)
    return (
        [*tables, Table("Time", ("", ""), tuple(times), "Evaluations are not in it.", prose=True)] if times else tables
    )


def _training_table(run: Run) -> Table:
    window, found = trends(run.metrics)
    rows = [
        (t.key, f"{t.first:,.4g}", f"{t.last:,.4g}", f"{t.last - t.first:+,.3g}" if t.last != t.first else "0")
        for t in found
    ]
    counts = ", ".join(f"{name} {count:,}" for name, count in totals(run.metrics).items())
    ends = "step" if window == 1 else f"{window} steps"
    about = "Of sampled rollouts on the training conversations, not to be compared with held-out scores."
    note = f"{about} Over all {plural(run.steps, 'step')}: {counts}."
    columns = ("metric", f"first {ends}", f"last {ends}", "change")
    return Table("Training", columns, tuple(rows), note if counts else about)


def _stage_tables(run: Run) -> list[Table]:
    """What became of each stage; nothing for one stage that was not validated."""
    stages = stages_of(run.metrics)
    if len(stages) < 2 and not any(stage.best_f1 is not None for stage in stages):
        return []

    def cell(value: float | None) -> str:
        return DASH if value is None else number(value)

    rows = [(s.name, str(s.steps), cell(s.best_f1), cell(s.m_fail), s.ending or "under way") for s in stages]
    note = "Scores of the validation conversations; weights were chosen by them, so they are no result."
    columns = ("stage", "steps", "best F1", "last M-Fail", "ended by")
    return [Table("Stages", columns, tuple(rows), note)]


def _recipe_table(run: Run) -> Table:
    rows = [(c.key, c.here or DASH, c.default or DASH) for c in recipe_changes(run.recipe)]
    note = "" if rows else "Every value is the default."
    return Table(
        "Recipe: values that differ from the defaults", ("key", "here", "default"), tuple(rows), note, prose=True
    )


def _timing_rows(timing: Timing) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if timing.seconds is not None:
        rows.append(("steps", duration(timing.seconds)))
    for name, part in (("rollouts", timing.rollout), ("learning", timing.learn)):
        if part is not None:
            share = f" ({100 * part / timing.seconds:.0f} %)" if timing.seconds else ""
            rows.append((name, f"{duration(part)}{share}"))
    if timing.generated is not None:
        rows.append(("tokens generated", f"{timing.generated:,}"))
    if timing.effective is not None:
        rows.append(("effective tokens per second of rollout", f"{timing.effective:,.0f}"))
    if timing.efficiency is not None:
        rows.append(("as a fraction of the engine's own peak", f"{timing.efficiency:.2f}"))
    if timing.overall is not None:
        rows.append(("tokens per second of whole steps", f"{timing.overall:,.0f}"))
    return rows
