"""Writing the report of a comparison of defences: text, Markdown, one HTML page, and JSON.

`defend.json` (format `fairmem-drift-defend-report`, version 1) has, nan being null:

- run: `{model, exact, settings, defenses, seeds, digest, scenarios, trials, planned, complete}`;
- biased: name of the arm; floor: estimate of none2 minus none; tau: where drifting begins;
- base_success: success of the relevant memory's wish without any memory;
- undefended and defenses: as `fairmem.drift.defend.scores.DefenseScore`; refused: `{defence: why}`.

An estimate is `{mean, low, high, n, method}`, 95 %.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from fairmem.drift.defend.records import DefendRun, read_defend
from fairmem.drift.defend.scores import DefenseScore, Scores, score_defend
from fairmem.drift.defenses.table import DEFENSES
from fairmem.drift.report import finite_json
from fairmem.drift.report_page import DASH, interval, number, p_value, percent, signed, spread_percent
from fairmem.drift.summary import LOST, SCORE_MARGIN, SUCCESS_MARGIN
from fairmem.eval.page import Page, Table, Tile, to_html, to_markdown, to_text
from fairmem.replace import replace_text

DEFEND_REPORT_FORMAT = "fairmem-drift-defend-report"
DEFEND_REPORT_VERSION = 1


def report_defend(folder: Path) -> str:
    """Write the report of the comparison in `folder`, finished or stopped, there, and return it as text.

    Raises:
        ConfigError: not the folder of a comparison.
        CheckpointError: a file of it is damaged.
    """
    run = read_defend(folder)
    scores = score_defend(run)
    page = defend_page(run, scores)
    replace_text(folder / "defend.json", json.dumps(to_json(run, scores), indent=2, allow_nan=False) + "\n")
    replace_text(folder / "defend.md", to_markdown(page))
    replace_text(folder / "defend.html", to_html(page))
    return f"{to_text(page)}\nWritten to {folder}: defend.html, defend.md, defend.json\n"


def to_json(run: DefendRun, scores: Scores) -> dict[str, Any]:
    """The report as JSON; see the module for its schema."""
    header = run.header
    content: dict[str, Any] = {
        "format": DEFEND_REPORT_FORMAT,
        "version": DEFEND_REPORT_VERSION,
        "run": {
            "model": header.model,
            "exact": header.exact,
            "settings": header.settings,
            "defenses": header.defenses,
            "seeds": list(header.seeds),
            "digest": header.digest,
            "scenarios": len(run.scenarios),
            "trials": len(run.trials),
            "planned": run.planned,
            "complete": len(run.trials) == run.planned,
        },
        **{key: value for key, value in asdict(scores).items()},
        "refused": header.refused,
    }
    return cast(dict[str, Any], finite_json(content))


def defend_page(run: DefendRun, scores: Scores) -> Page:
    """The report before it has a format."""
    tables = [_main_table(scores), _detail_table(scores)]
    if run.header.refused:
        rows = tuple((name, why) for name, why in run.header.refused.items())
        tables.append(Table("Not run", ("defence", "why"), rows, prose=True))
    tables.append(_settings_table(run))
    bare = scores.undefended
    return Page(
        title=f"Defences of {run.header.model} against memory drift",
        headline=tuple(_headline(run, scores)),
        tables=tuple(tables),
        tiles=(
            Tile("drift undefended", signed(bare.left.mean), f"{scores.biased} minus none, of D"),
            Tile("noise floor", signed(scores.floor.mean), "none2 minus none"),
            Tile("relevant memory followed", number(bare.success.mean, 2), "undefended"),
        ),
    )


def _headline(run: DefendRun, scores: Scores) -> list[str]:
    bare, floor = scores.undefended, scores.floor
    lines = [
        f"Undefended, {scores.biased} moves deflection by {signed(bare.left.mean)} {interval(bare.left)}; noise floor "
        f"{signed(floor.mean)} {interval(floor)}."
        if bare.left.n
        else f"No scenario has a usable call in both {scores.biased} and none: nothing can be said about drift."
    ]
    good = [
        one.name
        for one in scores.defenses
        if one.at_floor and one.non_inferior and one.lost <= LOST and one.removed and one.removed.low > 0
    ]
    lines.append(
        f"At the floor and with relevant memory kept: {', '.join(good)}."
        if good
        else "No defence is shown both to bring drift to the floor and to keep the use of relevant memory."
    )
    kind = "exact value distributions, one trial per arm" if run.header.exact else f"K={len(run.header.seeds)} trials"
    lines.append(f"{len(run.scenarios)} scenarios, {kind}, seeds {', '.join(map(str, run.header.seeds))}.")
    if run.header.defenses.get("untagged"):
        lines.append("Memories came without scopes (untagged).")
    if len(run.trials) < run.planned:
        lines.append(f"INCOMPLETE: {len(run.trials)} of {run.planned} trials are done; the numbers are of these alone.")
    lost = [one.name for one in (bare, *scores.defenses) if one.trials and one.lost > LOST]
    if lost:
        lines.append(f"More than {100 * LOST:.0f} % of trials gave no usable call with: {', '.join(lost)}.")
    return lines


def _main_table(scores: Scores) -> Table:
    rows = tuple(_main_row(one) for one in (scores.undefended, *scores.defenses))
    columns = (
        "defence",
        "drift left",
        "at floor",
        "removed",
        "p",
        "relevant used",
        "kept",
        "false resets",
        "+calls",
        "+tokens",
        "+seconds",
        "lost",
    )
    base = number(scores.base_success.mean, 2)
    note = (
        f"Drift left: D of {scores.biased} with the defence minus D without memory, 95 % over scenarios. At floor: "
        f"shown to lie less than {SCORE_MARGIN} points of the score above no memory (one-sided, 5 %); no means not "
        "shown. Removed: the same trials undefended minus defended; p by sign flips, Holm over defences. Relevant "
        f"used: share of trials that do what the relevant memory asks for, {base} without memory. Kept: the loss "
        f"against undefended is shown to be below {100 * SUCCESS_MARGIN:.0f} points. False resets: what the relevant "
        "memory asks for was in the undefended call and is not in the defended one. Costs: per trial, more than "
        "undefended."
    )
    return Table("Defences", columns, rows, note)


def _main_row(one: DefenseScore) -> tuple[str, ...]:
    return (
        one.name,
        f"{signed(one.left.mean)} {interval(one.left)}" if one.left.n else DASH,
        "yes" if one.at_floor else "no",
        DASH if one.removed is None or not one.removed.n else f"{signed(one.removed.mean)} {interval(one.removed)}",
        p_value(one.p),
        number(one.success.mean, 2) if one.success.n else DASH,
        DASH if one.non_inferior is None else "yes" if one.non_inferior else "no",
        DASH if one.resets is None else percent(one.resets.mean),
        DASH if one.removed is None else signed(one.calls, 1),
        DASH if one.removed is None or math.isnan(one.tokens) else f"{one.tokens:+.0f}",
        DASH if one.removed is None else signed(one.seconds, 2),
        percent(one.lost),
    )


def _detail_table(scores: Scores) -> Table:
    rows: list[tuple[str, ...]] = []
    for one in (scores.undefended, *scores.defenses):
        d, kept, resets = one.drifted, one.kept, one.resets
        filters = DEFENSES[one.name].place == "prompt" if one.name in DEFENSES else True
        rows.append(
            (
                one.name,
                f"{d.count}/{d.n} {spread_percent(d)}",
                DASH if one.versus is None else f"-{one.versus[0]} +{one.versus[1]}, p {p_value(one.versus[2])}",
                DASH if kept is None or not kept.n else f"{signed(kept.mean)} {interval(kept)}",
                DASH if resets is None or not resets.n else f"{number(resets.mean)} {interval(resets)}",
                percent(one.reached_biased) if filters else DASH,
                percent(one.reached_relevant) if filters else DASH,
                f"{one.blamed[0]}/{one.blamed[1]}" if one.blamed[1] else DASH,
                f"{one.trials}/{one.planned}",
            )
        )
    note = (
        f"Drifting: scenarios with more drift left than {scores.tau:.3f}, Clopper-Pearson; against undefended: no "
        "longer and newly drifting, exact McNemar. Shown: the share of the memories that reaches the prompt. Named: "
        "of the arguments changed in the biased arm, those for which the memories that moved them were named."
    )
    columns = (
        "defence",
        "drifting",
        "vs undefended",
        "change of use",
        "false resets",
        "biased shown",
        "relevant shown",
        "named / changed",
        "trials",
    )
    return Table("In detail", columns, tuple(rows), note)


def _settings_table(run: DefendRun) -> Table:
    rows = [("model", run.header.model), ("scenarios", f"{len(run.scenarios)}, digest {run.header.digest[:12]}")]
    rows += [(name, str(value)) for name, value in run.header.settings.items()]
    rows += [(name, str(value)) for name, value in run.header.defenses.items()]
    return Table("Settings", ("", ""), tuple(rows), prose=True)
