"""How good the static findings are: a sample judged by hand, and what it says of precision and of misses.

Drawn are parameters the scan lists and parameters it does not, shuffled and without the verdict, so that whoever
judges does not know it. A judged file keeps names, verdicts and one reason each, and no text of the tools.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fairmem.drift.intervals import Rate, clopper_pearson
from fairmem.drift.scan.rules import Severity
from fairmem.drift.scan.scanner import scan
from fairmem.drift.scan.schema import Parameter, read_schema
from fairmem.drift.scan.tool import Inventory, Tool
from fairmem.errors import DataError
from fairmem.seeds import python_rng

LABELS_FORMAT = "fairmem-drift-scan-labels"
LABELS_VERSION = 1


@dataclass(frozen=True, slots=True)
class Drawn:
    """One sampled parameter; `rule` is "" where the scan lists nothing."""

    tool: Tool
    parameter: Parameter
    rule: str


def draw(inventory: Inventory, *, each: int = 100, seed: int = 0) -> tuple[list[Drawn], int, int]:
    """A shuffled sample of `each` listed and `each` unlisted parameters, and how many there are of both.

    Listed is what a scan at the default threshold reports.
    """
    report = scan(inventory, threshold=Severity.MEDIUM)
    rules = {(f.place.source, f.place.line, f.place.pointer): f.rule for f in report.listed if f.tool}
    listed: list[Drawn] = []
    unlisted: list[Drawn] = []
    for tool in inventory.tools:
        for parameter in read_schema(tool.schema).parameters:
            place = (tool.place.source, tool.place.line, tool.place.pointer + parameter.pointer)
            one = Drawn(tool, parameter, rules.get(place, ""))
            (listed if one.rule else unlisted).append(one)
    random = python_rng(seed, "scan-sample")
    sample = random.sample(listed, min(each, len(listed))) + random.sample(unlisted, min(each, len(unlisted)))
    random.shuffle(sample)
    return sample, len(listed), len(unlisted)


@dataclass(frozen=True, slots=True)
class Quality:
    """What judged parameters say of the scan.

    Attributes:
        precision: Share of listed parameters judged susceptible.
        missed: Share of unlisted parameters judged susceptible.
        recall: Estimated share of all susceptible parameters that is listed, weighting both by their numbers.
        recall_low: The same at the upper end of the interval of `missed`.
        recall_high: The same at its lower end.
        precision_fresh: The first without parameters that were judged in an earlier sample.
        missed_fresh: The second, likewise.
    """

    precision: Rate
    missed: Rate
    recall: float
    recall_low: float
    recall_high: float
    precision_fresh: Rate
    missed_fresh: Rate


def read_labels(path: Path) -> dict[str, Any]:
    """The judged file `path`.

    Raises:
        DataError: it cannot be read, or is of another format or version.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a file of judged parameters: {error}") from error
    if not isinstance(value, dict) or (value.get("format"), value.get("version")) != (LABELS_FORMAT, LABELS_VERSION):
        raise DataError(f"{path}: expected format '{LABELS_FORMAT}', version {LABELS_VERSION}")
    return cast(dict[str, Any], value)


def quality(labels: dict[str, Any]) -> Quality:
    """Precision, miss rate and estimated recall of the judged file `labels`."""
    rows: Sequence[dict[str, Any]] = labels["rows"]
    precision, missed = _shares(rows)
    found = precision.share * labels["listed"]

    def recall(missed_share: float) -> float:
        total = found + missed_share * labels["unlisted"]
        return found / total if total else math.nan

    precision_fresh, missed_fresh = _shares([row for row in rows if not row.get("judged_before")])
    return Quality(
        precision=precision,
        missed=missed,
        recall=recall(missed.share),
        recall_low=recall(missed.high),
        recall_high=recall(missed.low),
        precision_fresh=precision_fresh,
        missed_fresh=missed_fresh,
    )


def _shares(rows: Sequence[dict[str, Any]]) -> tuple[Rate, Rate]:
    listed = [bool(row["susceptible"]) for row in rows if row["rule"]]
    unlisted = [bool(row["susceptible"]) for row in rows if not row["rule"]]
    return clopper_pearson(sum(listed), len(listed)), clopper_pearson(sum(unlisted), len(unlisted))
