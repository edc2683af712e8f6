"""What `fairmem drift validate` prints: counts per cell, and every rule that is broken, with its line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fairmem.drift.files import cell_counts, read_scenarios
from fairmem.drift.scenario import DIMENSIONS, DOMAINS


def validation_report(path: Path | None = None) -> tuple[str, int]:
    """The report on the scenarios of `path` (default: those that ship), and how many violations it lists.

    Raises:
        DataError: there is nothing to read at `path`.
    """
    scenarios, broken = read_scenarios(path)
    counts = cell_counts(scenarios)
    width = max(len(domain) for domain in DOMAINS)
    lines = ["  ".join([" " * width, *DIMENSIONS, "all"])]
    for domain in DOMAINS:
        row = [counts[dimension, domain] for dimension in DIMENSIONS]
        cells = [str(n).rjust(len(name)) for n, name in zip((*row, sum(row)), (*DIMENSIONS, "all"), strict=True)]
        lines.append("  ".join([domain.ljust(width), *cells]))
    heldout = sum(scenario.stratum == "heldout" for scenario in scenarios)
    kinds = Counter(target.kind for scenario in scenarios for target in scenario.targets)
    targets = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    lines += ["", f"{len(scenarios)} scenarios, {heldout} held out; watched parameters: {targets or 'none'}"]
    lines.append(f"{len(broken)} violations" if broken else "every rule is kept")
    lines += [str(violation) for violation in broken]
    return "\n".join(lines), len(broken)
