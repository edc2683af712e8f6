"""The report of confirmations: a table, and JSON.

JSON format `fairmem-drift-confirm`, version 1: `format`, `version`, `tool_version`, `model`, `trials`, `tasks`,
`temperature`, `alpha`, `seed`, `counts: {verdict: number}` and `confirmations`: `[{fingerprint, rule, severity, server,
tool, parameter, dimension, verdict, effect, neutral_effect, noise, p, q, outcomes: {arm: {outcome: number}}, values:
{arm: [[value, number]]}, reason}]`. Numbers of what is undecided are null.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairmem import __version__
from fairmem.drift.scan.confirm import ARMS, TASKS, Confirmation, Verdict
from fairmem.eval.page import Page, Table, to_text

CONFIRM_FORMAT = "fairmem-drift-confirm"
CONFIRM_VERSION = 1


@dataclass(frozen=True, slots=True)
class ConfirmSettings:
    """With what the model was asked."""

    model: str
    trials: int
    temperature: float
    alpha: float
    seed: int


def exit_code(confirmations: Sequence[Confirmation], complete: bool) -> int:
    """1 if one is confirmed, else 3 if any is undecided or the scan before was incomplete, else 0."""
    verdicts = {one.verdict for one in confirmations}
    if Verdict.CONFIRMED in verdicts:
        return 1
    return 3 if Verdict.UNDECIDED in verdicts or not complete else 0


def confirm_json(confirmations: Sequence[Confirmation], settings: ConfirmSettings) -> str:
    """The JSON report, ending in a newline."""
    value: dict[str, Any] = {
        "format": CONFIRM_FORMAT,
        "version": CONFIRM_VERSION,
        "tool_version": __version__,
        "model": settings.model,
        "trials": settings.trials,
        "tasks": len(TASKS),
        "temperature": settings.temperature,
        "alpha": settings.alpha,
        "seed": settings.seed,
        "counts": _counts(confirmations),
        "confirmations": [_row(one) for one in confirmations],
    }
    return json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def confirm_table(confirmations: Sequence[Confirmation], settings: ConfirmSettings) -> str:
    """The report for a terminal."""
    counts = ", ".join(f"{count} {name}" for name, count in _counts(confirmations).items())
    replies = len(TASKS) * settings.trials
    rows = tuple(
        (
            f"{one.finding.tool[:40]} {one.finding.parameter[-40:]}",
            one.dimension,
            one.verdict.value,
            _number(one.effect),
            _number(one.neutral_effect),
            _number(one.noise),
            _number(one.q),
            "; ".join(f"{arm}: {', '.join(f'{v} x{n}' for v, n in one.values.get(arm, ()))}" for arm in ARMS[::3])
            if not one.reason
            else one.reason,
        )
        for one in confirmations
    )
    columns = ("tool and parameter", "trait", "verdict", "effect", "neutral", "noise", "q", "values")
    note = (
        "effect: how much further the arguments lie from those without memory when the memory shows the trait than "
        "when nothing changes (0 none, 1 all); neutral: the same for a memory that shows nothing; noise: how far "
        "two identical arms lie apart; q: after correction for the number of candidates."
    )
    page = Page(
        title=f"Memory drift with {settings.model}",
        headline=(f"{counts}; {replies} replies per arm, seed {settings.seed}, level {settings.alpha:g}.",),
        tables=(Table(title="Candidates", columns=columns, rows=rows, note=note, prose=True),),
    )
    return to_text(page)


def _counts(confirmations: Sequence[Confirmation]) -> dict[str, int]:
    found = Counter(one.verdict for one in confirmations)
    return {verdict.value: found[verdict] for verdict in Verdict}


def _row(one: Confirmation) -> dict[str, Any]:
    finding = one.finding
    return {
        "fingerprint": finding.fingerprint,
        "rule": finding.rule,
        "severity": finding.severity.label,
        "server": finding.server,
        "tool": finding.tool,
        "parameter": finding.parameter,
        "dimension": one.dimension,
        "verdict": one.verdict.value,
        "effect": _finite(one.effect),
        "neutral_effect": _finite(one.neutral_effect),
        "noise": _finite(one.noise),
        "p": _finite(one.p),
        "q": _finite(one.q),
        "outcomes": {arm: dict(counts) for arm, counts in one.outcomes.items()},
        "values": {arm: [list(pair) for pair in pairs] for arm, pairs in one.values.items()},
        "reason": one.reason,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"
