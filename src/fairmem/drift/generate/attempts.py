"""The two files of a generation, the places it fills, and what is counted. See `generation`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fairmem.drift.generate.outcome import Rejected
from fairmem.drift.scenario import DIMENSIONS, DOMAINS, Dimension, Domain, Scenario
from fairmem.errors import CheckpointError, ConfigError

GENERATE_FORMAT = "fairmem-drift-attempts"
GENERATE_VERSION = 1
HELDOUT_EVERY = 3


@dataclass(slots=True)
class Counts:
    """What became of attempts: `accepted`, and `rejected` by (stage, reason). `empty` places ran out of attempts."""

    accepted: int = 0
    heldout: int = 0
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    empty: int = 0

    def text(self) -> str:
        """As it is printed."""
        attempts = self.accepted + sum(self.rejected.values())
        lines = [f"{self.accepted} of {attempts} attempts accepted, {self.heldout} of them held out (unselected)"]
        lines += [f"  rejected at {stage}: {reason} {n}" for (stage, reason), n in sorted(self.rejected.items())]
        if self.empty:
            lines.append(f"  {self.empty} places stay empty: no attempt passed")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Place:
    """A scenario to be made: its id, its cell, and whether it is held out."""

    id: str
    dimension: Dimension
    domain: Domain
    heldout: bool


def places(count: int) -> Iterable[Place]:
    """The places to fill: all 35 cells once, then again; one of three in a cell is held out."""
    cells: list[tuple[Dimension, Domain]] = [(dimension, domain) for domain in DOMAINS for dimension in DIMENSIONS]
    for number in range(count):
        dimension, domain = cells[number % len(cells)]
        nth = number // len(cells) + 1
        # Places of one round differ in which is held out, so that a short generation has both strata in each bias.
        heldout = (number // len(DIMENSIONS) + nth) % HELDOUT_EVERY == 0
        yield Place(f"{dimension}-{domain}-g{nth:03d}", dimension, domain, heldout)


def row_of(place: Place, attempt: int, found: Scenario | Rejected) -> dict[str, Any]:
    """The line of an attempt."""
    row: dict[str, Any] = {"id": place.id, "attempt": attempt, "heldout": place.heldout}
    if isinstance(found, Scenario):
        return row | {"accepted": True}
    return row | {"accepted": False, "stage": found.stage, "reason": found.reason, "message": found.message}


def append(path: Path, line: str) -> None:
    """Add `line` to the end of `path`, at once."""
    with path.open("a", encoding="utf-8") as out:
        out.write(line + "\n")
        out.flush()


def open_attempts(path: Path, attempts: Path, header: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The attempts on disk by id; both files are begun, or their torn last lines cut.

    Raises:
        ConfigError: `path` is no generation, or one with another `header`.
        CheckpointError: `attempts` is damaged.
    """
    if not attempts.exists():
        if path.exists():
            raise ConfigError(f"{path}: exists, but not as a generation (no {attempts.name}); choose another --out")
        if not path.parent.is_dir():
            raise ConfigError(f"{path.parent}: no such folder")
        path.touch()
        append(attempts, json.dumps(header))
        return {}
    lines = _whole_lines(attempts)
    rows: list[dict[str, Any]] = []
    try:
        rows = [cast(dict[str, Any], json.loads(line)) for line in lines]
        there = rows[0]
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows[1:]:
            found.setdefault(str(row["id"]), []).append({**row, "accepted": bool(row["accepted"])})
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise CheckpointError(f"{attempts}: line {len(rows) + 1} is damaged ({error})") from error
    for name, value in header.items():
        if there.get(name) != value:
            raise ConfigError(f"{path}: begun with {name} {there.get(name)}, now {value}; choose another --out")
    # A scenario whose attempt was not written any more is accepted all the same.
    for line in _whole_lines(path):
        fields = json.loads(line)
        rows_of = found.setdefault(fields["id"], [])
        if not any(row["accepted"] for row in rows_of):
            row = {
                "id": fields["id"],
                "attempt": len(rows_of),
                "heldout": fields["stratum"] == "heldout",
                "accepted": True,
            }
            rows_of.append(row)
            append(attempts, json.dumps(row))
    return found


def _whole_lines(path: Path) -> Sequence[bytes]:
    if not path.exists():
        return ()
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        with path.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    return whole.split(b"\n") if whole else ()


def count_attempts(count: int, done: dict[str, list[dict[str, Any]]]) -> Counts:
    """What became of the attempts `done` at the first `count` places."""
    counts = Counts()
    for place in places(count):
        rows = done.get(place.id, [])
        for row in rows:
            if row["accepted"]:
                counts.accepted += 1
                counts.heldout += bool(row["heldout"])
            else:
                counts.rejected[str(row["stage"]), str(row["reason"])] += 1
        counts.empty += not any(row["accepted"] for row in rows)
    return counts
