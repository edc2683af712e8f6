"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Level = Literal["ok", "note", "warning", "error"]
"""`note`: worth knowing; `warning`: it works, but not as it should; `error`: what was asked for cannot work."""


class Finding(NamedTuple):
    """One line: where, how bad, what was found, what to do (empty if nothing)."""

    area: str
    level: Level
    found: str
    remedy: str = ""


def failed(findings: Iterable[Finding]) -> bool:
    """Whether any is an error."""
    return any(finding.level == "error" for finding in findings)
