"""A baseline: findings that are known and accepted, so that a scan reports only what is new.

The file is JSON: `{"format": "fairmem-drift-baseline", "version": 1, "findings": [{"fingerprint", "rule", "server",
"tool", "parameter", "note"}]}`. Only `fingerprint` is compared; the rest is for whoever reviews the file, and `note`
is theirs to fill.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from fairmem.drift.scan.findings import ScanReport
from fairmem.errors import DataError

BASELINE_FORMAT = "fairmem-drift-baseline"
BASELINE_VERSION = 1


def read_baseline(path: Path) -> frozenset[str]:
    """The fingerprints in the baseline file `path`.

    Raises:
        DataError: it cannot be read, or is of another format or version. A baseline that is not understood must not
            pass for an empty one, nor for one that knows everything.
    """
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); --write-baseline makes one") from error
    found = (value.get("format"), value.get("version")) if isinstance(value, dict) else (None, None)
    if found != (BASELINE_FORMAT, BASELINE_VERSION):
        raise DataError(
            f"{path}: found format {found[0]!r} version {found[1]!r}, "
            f"expected {BASELINE_FORMAT!r} version {BASELINE_VERSION}; --write-baseline makes one"
        )
    rows = cast(dict[str, Any], value).get("findings")
    prints = (
        [row.get("fingerprint") if isinstance(row, dict) else None for row in rows] if isinstance(rows, list) else [0]
    )
    if not all(isinstance(one, str) for one in prints):
        raise DataError(f"{path}: 'findings' must be a list of objects with a 'fingerprint'")
    return frozenset(cast(list[str], prints))


def baseline_text(report: ScanReport) -> str:
    """A baseline of every finding of `report` at or above its threshold, known ones included; ends in a newline."""
    kept = [*report.listed, *(finding for finding in report.known if finding.severity >= report.threshold)]
    rows = [
        {
            "fingerprint": finding.fingerprint,
            "rule": finding.rule,
            "server": finding.server,
            "tool": finding.tool,
            "parameter": finding.parameter,
            "note": "",
        }
        for finding in sorted(kept, key=lambda one: (one.server, one.tool, one.pointer, one.rule, one.fingerprint))
    ]
    value = {"format": BASELINE_FORMAT, "version": BASELINE_VERSION, "findings": rows}
    return json.dumps(value, indent=1) + "\n"
