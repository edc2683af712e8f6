"""Reading files of scenarios, the ones that ship among them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from fairmem.drift.checks import violations
from fairmem.drift.scenario import DIMENSIONS, DOMAINS, Scenario
from fairmem.errors import DataError

SHIPPED = Path(__file__).parent / "scenarios"
"""The folder of the scenarios that ship, one file per domain."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A line of a file that breaks a rule. `scenario` is its id, empty if the line could not be read that far."""

    file: Path
    line: int
    scenario: str
    message: str

    def __str__(self) -> str:
        name = f"{self.scenario}: " if self.scenario else ""
        return f"{self.file}:{self.line}: {name}{self.message}"


def read_scenarios(path: Path | None = None) -> tuple[list[Scenario], list[Violation]]:
    """All scenarios of a file, or of the `.jsonl` files of a folder, with every rule they break.

    Args:
        path: Default: the scenarios that ship.

    Raises:
        DataError: there is no such file, no `.jsonl` in the folder, or nothing in it.
    """
    path = path or SHIPPED
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise DataError(f"{path}: expected a .jsonl file of scenarios, or a folder of them")
    scenarios: list[Scenario] = []
    broken: list[Violation] = []
    places: dict[str, str] = {}
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (UnicodeDecodeError, OSError) as error:
            raise DataError(f"{file}: cannot be read as UTF-8 text ({error})") from error
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                scenario = Scenario.model_validate_json(line)
            except ValidationError as error:
                broken += [Violation(file, number, "", _plain(found)) for found in error.errors()]
                continue
            if scenario.id in places:
                broken.append(Violation(file, number, scenario.id, f"the id is also at {places[scenario.id]}"))
            places.setdefault(scenario.id, f"{file}:{number}")
            broken += [Violation(file, number, scenario.id, message) for message in violations(scenario)]
            scenarios.append(scenario)
    if not scenarios and not broken:
        raise DataError(f"{path}: there is no scenario in it")
    return scenarios, broken


def load_scenarios(path: Path | None = None) -> list[Scenario]:
    """The scenarios of `path`, all of which keep the rules.

    Raises:
        DataError: a line breaks a rule; the message names the first.
    """
    scenarios, broken = read_scenarios(path)
    if broken:
        raise DataError(f"{broken[0]} ({len(broken)} in all; list them: fairmem drift validate {path or ''})".rstrip())
    return scenarios


def digest(scenarios: Iterable[Scenario]) -> str:
    """A hash of the content of `scenarios`, whatever their order."""
    lines = sorted(scenario.model_dump_json(by_alias=True) for scenario in scenarios)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def cell_counts(scenarios: Sequence[Scenario]) -> dict[tuple[str, str], int]:
    """(dimension, domain) -> number of scenarios, for every cell, the empty ones too."""
    counts = {(dimension, domain): 0 for dimension in DIMENSIONS for domain in DOMAINS}
    for scenario in scenarios:
        counts[scenario.dimension, scenario.domain] += 1
    return counts


def _plain(error: object) -> str:
    """One line of pydantic's error."""
    found = error if isinstance(error, dict) else {}
    place = "/".join(str(part) for part in found.get("loc", ()))
    return f"{place or 'line'}: {found.get('msg', 'not a scenario')}"
