"""Writing the report of an audit: text, Markdown, one HTML page, and JSON.

`report.json` (format `fairmem-drift-report`, version 1) has, nan being null:

- run: `{model, exact, settings, arms: [[name, memories]], seeds, digest, scenarios, trials, planned, complete}`;
- floor: estimate of none2 minus none; floor_size: mean size of it per scenario; tau: where drifting begins;
- arms: list of `{name, trials, planned, outcomes: {outcome: count}, rungs: {rung: count}, repaired, lost, deflection,
  score, delta, points, p, drifted, equal, bounds, success}`;
- main: the strongest biased arm; dimensions, domains, strata: of it, lists of `{name, delta, p, drifted}`;
- mcnemar: `{main_only, neutral_only, p}`; used: estimate of relevant minus none; judge: see `Agreement`;
- through: null where memories were put into the prompt as they are; else `{memory, arms}`, arms being a list of
  `{arm, built, failed, kept, reached, content, lines, exposed, measure, level, change, unexposed, difference}`, see
  `fairmem.drift.through.ArmConversion`.

An estimate is `{mean, low, high, n, method}`, 95 %; a rate `{count, n, low, high}`, 95 %; equal
`{mean, low, high, margin, p, n}` with the 90 % interval of two one-sided tests; bounds `{low, high}`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from fairmem.drift.judge import agreement, read_judgements
from fairmem.drift.judge_agreement import Agreement
from fairmem.drift.report_page import drift_page
from fairmem.drift.summary import Summary, summarise
from fairmem.drift.through.conversion import ArmConversion, conversions
from fairmem.drift.through.page import conversion_table, exposure_table
from fairmem.drift.through.recalled import RecallFile
from fairmem.drift.trials import Run, read_run
from fairmem.eval.page import to_html, to_markdown, to_text
from fairmem.replace import replace_text

DRIFT_REPORT_FORMAT = "fairmem-drift-report"
DRIFT_REPORT_VERSION = 1


def report_audit(folder: Path) -> str:
    """Write the report of the audit in `folder`, finished or stopped, there, and return it as text.

    Raises:
        ConfigError: not the folder of an audit.
        CheckpointError: a file of it is damaged.
    """
    run = read_run(folder)
    summary = summarise(run)
    judged = agreement(run, read_judgements(folder), folder)
    page = drift_page(run, summary, judged)
    through: tuple[ArmConversion, ...] | None = None
    if "through" in run.header.settings:
        through = conversions(run, RecallFile.open(folder).records)
        first, *rest = page.tables
        tables = (first, exposure_table(through), conversion_table(through, summary), *rest)
        page = replace(page, title=f"{page.title} through {run.header.settings['through']}", tables=tables)
    content = to_json(run, summary, judged, through)
    replace_text(folder / "report.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    replace_text(folder / "report.md", to_markdown(page))
    replace_text(folder / "report.html", to_html(page))
    return f"{to_text(page)}\nWritten to {folder}: report.html, report.md, report.json\n"


def to_json(
    run: Run, summary: Summary, judged: Agreement | None = None, through: Sequence[ArmConversion] | None = None
) -> dict[str, Any]:
    """The report as JSON; see the module for its schema."""
    header = run.header
    arms = [{**asdict(arm), "lost": arm.lost} for arm in summary.arms]
    mcnemar = summary.mcnemar
    content: dict[str, Any] = {
        "format": DRIFT_REPORT_FORMAT,
        "version": DRIFT_REPORT_VERSION,
        "run": {
            "model": header.model,
            "exact": header.exact,
            "settings": header.settings,
            "arms": [list(arm) for arm in header.arms],
            "seeds": list(header.seeds),
            "digest": header.digest,
            "scenarios": len(run.scenarios),
            "trials": len(run.trials),
            "planned": run.planned,
            "complete": len(run.trials) == run.planned,
        },
        "floor": None if summary.floor is None else asdict(summary.floor),
        "floor_size": summary.floor_size,
        "tau": summary.tau,
        "arms": arms,
        "main": summary.main,
        "dimensions": [asdict(one) for one in summary.dimensions],
        "domains": [asdict(one) for one in summary.domains],
        "strata": [asdict(one) for one in summary.strata],
        "mcnemar": None if mcnemar is None else dict(zip(("main_only", "neutral_only", "p"), mcnemar, strict=True)),
        "used": None if summary.used is None else asdict(summary.used),
        "judge": None if judged is None else asdict(judged),
        "through": None
        if through is None
        else {"memory": header.settings["through"], "arms": [asdict(one) for one in through]},
    }
    return cast(dict[str, Any], finite_json(content))


def finite_json(value: Any) -> Any:
    """`value` as JSON holds it: numbers that are not finite become null, keys become text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite_json(item) for key, item in cast(dict[Any, Any], value).items()}
    if isinstance(value, (list, tuple)):
        return [finite_json(item) for item in cast(list[Any], value)]
    return value
