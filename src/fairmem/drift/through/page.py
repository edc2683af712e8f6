"""The tables of exposure and conversion."""

from __future__ import annotations

from collections.abc import Sequence

from fairmem.drift.intervals import Estimate
from fairmem.drift.report_page import DASH, interval, number, percent, signed, spread_percent
from fairmem.drift.summary import Summary
from fairmem.drift.through.conversion import ArmConversion
from fairmem.eval.page import Table

EXPOSURE_NOTE = (
    "Kept, reached: share of the arm's own memories that an entry of the memory, or of the prompt, carries (it names "
    "the turn; where a system keeps no provenance, it has more than half of the content words). Content: share of "
    "their content words in the prompt. Exposed: scenarios with at least one in the prompt, Clopper-Pearson. Means "
    "over scenarios, 95 %."
)
CONVERSION_NOTE = (
    "Level: mean D, in the relevant arm success. Change: arm minus none of the same. Given exposure: conversion. "
    "Without: the same where nothing of the arm reached the prompt. Difference: Welch, 95 %; which scenarios are "
    "exposed is the memory's choice, so it is no effect of exposure alone. Floor: none2 minus none."
)


def exposure_table(found: Sequence[ArmConversion]) -> Table:
    """What became of the memories on their way to the prompt, per arm."""
    rows = tuple(
        (
            one.arm,
            f"{one.built}/{one.built + one.failed}",
            percent(one.kept.mean),
            share(one.reached),
            f"{one.exposed.count}/{one.exposed.n} {spread_percent(one.exposed)}",
            share(one.content),
            number(one.lines.mean, 1),
        )
        for one in found
    )
    columns = ("arm", "built", "kept", "reached the prompt", "exposed", "content", "entries")
    return Table("Exposure", columns, rows, EXPOSURE_NOTE)


def conversion_table(found: Sequence[ArmConversion], summary: Summary) -> Table:
    """What the calls did where memory reached the prompt, and where it did not."""
    floor = DASH if summary.floor is None else signed(summary.floor.mean)
    rows = tuple(
        (
            one.arm if one.measure == "deflection" else f"{one.arm} ({one.measure})",
            number(one.level.mean),
            changed(one.change),
            changed(one.unexposed),
            changed(one.difference),
            f"{one.change.n} / {one.unexposed.n}",
            DASH if one.measure == "success" else floor,
        )
        for one in found
    )
    columns = ("arm", "level given exposure", "change given exposure", "without", "difference", "scenarios", "floor")
    return Table("Conversion", columns, rows, CONVERSION_NOTE)


def share(estimate: Estimate) -> str:
    """A mean share in percent with its interval."""
    if estimate.low != estimate.low:
        return percent(estimate.mean)
    return f"{percent(estimate.mean)} [{100 * max(0.0, estimate.low):.0f}, {100 * min(1.0, estimate.high):.0f}]"


def changed(estimate: Estimate) -> str:
    """A mean change with its interval; a dash without any scenario."""
    return DASH if estimate.mean != estimate.mean else f"{signed(estimate.mean)} {interval(estimate)}"
