"""The page of a comparison of memories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairmem.drift.report_page import DASH, interval, number, p_value, percent, signed, spread_percent
from fairmem.drift.through.page import CONVERSION_NOTE, EXPOSURE_NOTE, changed, share
from fairmem.drift.through.system_result import SystemResult
from fairmem.drift.trials import Run
from fairmem.eval.page import Page, Table


def comparison_page(
    model: str, main: str, results: Sequence[SystemResult], skipped: Mapping[str, str], runs: Mapping[str, Run]
) -> Page:
    """The comparison before it has a format."""
    lines: list[str] = []
    scored = [r for r in results if r.delta is not None and r.delta.n]
    if scored:
        parts = (f"{r.name} {signed(r.delta.mean)} {interval(r.delta)}" for r in scored if r.delta is not None)
        lines.append(f"{main} moves deflection, exposed or not, by: {'; '.join(parts)}.")
    else:
        lines.append("No biased arm has a usable call, so there is no drift to compare.")
    for run in list(runs.values())[:1]:
        trials = "exact value distributions" if run.header.exact else f"K={len(run.header.seeds)} trials"
        lines.append(f"{len(run.scenarios)} scenarios, {trials}, seeds {', '.join(map(str, run.header.seeds))}.")
    lines += [f"INCOMPLETE: {r.name} has {r.trials} of {r.planned} trials." for r in results if not r.complete]
    lines += [f"SKIPPED: {name}: {why}" for name, why in skipped.items()]
    tables = [_relevant_table(results), _cost_table(results)]
    if main:
        tables = [
            _drift_table(main, results),
            _exposure_table(main, results),
            _conversion_table(main, results),
            *tables,
        ]
    return Page(
        title=f"Memory drift of {model} through {len(results)} memories", headline=tuple(lines), tables=tuple(tables)
    )


def _drift_table(main: str, results: Sequence[SystemResult]) -> Table:
    rows = tuple(
        (
            r.name,
            DASH if r.delta is None else changed(r.delta),
            DASH if r.points is None else signed(r.points.mean, 2),
            DASH if r.drifted is None else f"{r.drifted.count}/{r.drifted.n} {spread_percent(r.drifted)}",
            DASH if r.floor is None else f"{signed(r.floor.mean)} {interval(r.floor)}",
            DASH if r.minus_direct is None else changed(r.minus_direct),
            p_value(r.minus_direct_p),
            percent(r.lost),
        )
        for r in results
    )
    note = (
        f"{main} minus none, whether or not the memories reached the prompt. Minus direct: paired over scenarios, "
        "95 %, p by sign flips, Holm over the memories. Lost: trials of all arms without a usable call, those whose "
        "memory was not built among them."
    )
    columns = ("memory", "change of D", "of S", "drifting", "floor", "minus direct", "p", "lost")
    return Table(f"Drift: {main} minus none", columns, rows, note)


def _exposure_table(main: str, results: Sequence[SystemResult]) -> Table:
    rows: list[tuple[str, ...]] = []
    for r in results:
        one = r.main
        if one is not None:
            rate = f"{one.exposed.count}/{one.exposed.n} {spread_percent(one.exposed)}"
            built = f"{one.built}/{one.built + one.failed}"
            kept, lines = percent(one.kept.mean), number(one.lines.mean, 1)
            rows.append((r.name, built, kept, share(one.reached), rate, share(one.content), lines))
    columns = ("memory", "built", "kept", "reached the prompt", "exposed", "content", "entries")
    return Table(f"Exposure to {main}", columns, tuple(rows), EXPOSURE_NOTE)


def _conversion_table(main: str, results: Sequence[SystemResult]) -> Table:
    rows: list[tuple[str, ...]] = []
    for r in results:
        one, floor = r.main, r.floor
        if one is not None:
            groups = f"{one.change.n} / {one.unexposed.n}"
            noise = DASH if floor is None else signed(floor.mean)
            changes = (changed(one.change), changed(one.unexposed), changed(one.difference))
            rows.append((r.name, number(one.level.mean), *changes, groups, noise))
    columns = ("memory", "level given exposure", "change given exposure", "without", "difference", "scenarios", "floor")
    return Table(f"Conversion of {main}", columns, tuple(rows), CONVERSION_NOTE)


def _relevant_table(results: Sequence[SystemResult]) -> Table:
    rows: list[tuple[str, ...]] = []
    for r in results:
        one = r.relevant
        if one is not None:
            rate = f"{one.exposed.count}/{one.exposed.n} {spread_percent(one.exposed)}"
            used = DASH if r.used is None else changed(r.used)
            rows.append((r.name, rate, number(one.level.mean), changed(one.change), used))
    columns = ("memory", "relevant memory in the prompt", "followed given that", "change given that", "change over all")
    note = (
        "The memory that belongs to the task has to arrive and be followed; less drift is no gain where this is lost."
    )
    return Table("Relevant memory", columns, tuple(rows), note)


def _cost_table(results: Sequence[SystemResult]) -> Table:
    rows = tuple(
        (
            r.name,
            str(r.settings.get("memory_model", DASH)),
            str(r.settings.get("top_k", "all")) if r.builds else DASH,
            *(str(n) if r.builds else DASH for n in (r.builds, r.calls, r.prompt_tokens, r.reply_tokens)),
        )
        for r in results
    )
    columns = ("memory", "written by", "top k", "built", "calls", "prompt tokens", "reply tokens")
    return Table("What writing took", columns, rows, "Calls and tokens of building memories, over all arms.")
