"""The whole check-up: what is installed, what can run, and (for a recipe) whether it could start."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmem import __version__
from fairmem.config import Recipe
from fairmem.doctor.bundled import bundled_findings
from fairmem.doctor.engines import EngineState, engine_findings, engine_states
from fairmem.doctor.finding import Finding, failed
from fairmem.doctor.installed import Extra, extras, installed_versions, package_findings, torch_findings
from fairmem.doctor.machine import Device, folder_findings, gpus, machine_findings
from fairmem.doctor.start import start_findings
from fairmem.errors import ConfigError
from fairmem.learner.engines.base import EMBEDDED, ENGINES

_MARKS = {"ok": "ok", "note": "--", "warning": "!", "error": "XX"}


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found."""

    installed: Mapping[str, str]
    devices: tuple[Device, ...]
    extras: tuple[Extra, ...]
    engines: tuple[EngineState, ...]
    findings: tuple[Finding, ...]
    of_recipe: bool = False

    @property
    def healthy(self) -> bool:
        """Whether no finding is an error."""
        return not failed(self.findings)


def check_up(
    out: Path,
    engine: str | None = None,
    recipe: Recipe | None = None,
    reach: bool = False,
    load: bool = False,
    installed: Mapping[str, str] | None = None,
    devices: list[Device] | None = None,
) -> Checkup:
    """Look at this installation and this machine.

    Args:
        out: Folder of all runs.
        engine: An engine that has to be able to run here; None: that of a recipe is the embedded one.
        recipe: A recipe that should be able to start; None for none.
        reach: Ask the recipe's endpoint for one word.
        load: Load the bundled model.
        installed: Canonical name -> version; None reads what is installed.
        devices: The GPUs; None asks the driver.

    Raises:
        ConfigError: no such engine.
    """
    if engine is not None and engine not in ENGINES:
        raise ConfigError(f"engine '{engine}': not known, expected one of {', '.join(ENGINES)}")
    versions = installed_versions() if installed is None else installed
    cards = gpus() if devices is None else devices
    asked = engine or (EMBEDDED if recipe is not None else None)
    states = engine_states(versions, len(cards))
    findings = [
        *machine_findings(cards),
        *package_findings(versions),
        *torch_findings(versions, len(cards)),
        *engine_findings(states, asked),
        *bundled_findings(load),
    ]
    if recipe is None:
        findings += folder_findings(out)
    else:
        findings += start_findings(recipe, asked or EMBEDDED, out, versions, cards, reach)
    brought = tuple(extras(versions, len(cards)))
    return Checkup(versions, tuple(cards), brought, tuple(states), tuple(findings), recipe is not None)


def page(checkup: Checkup) -> str:
    """The check-up as text: a line per finding, worst last, and what installs each extra."""
    lines = [f"fairmem {__version__}, Python {platform.python_version()}, {platform.platform()}", ""]
    packages = [f.found for f in checkup.findings if f.area == "package" and f.level == "ok"]
    lines += [f"installed  {', '.join(packages) or 'none of the packages that extras bring'}", ""]
    for finding in checkup.findings:
        if finding.area == "package" and finding.level == "ok":
            continue
        lines.append(f"{_MARKS[finding.level]:<3}{finding.area:<9} {finding.found}")
        lines += [f"{'':<12} -> {line}" for line in finding.remedy.splitlines()]
    if not checkup.of_recipe:
        lines += ["", "extras, and what installs those that are missing"]
    for extra in () if checkup.of_recipe else checkup.extras:
        state = "installed" if extra.ready else f"missing {', '.join(extra.lacking)}"
        lines.append(f"  {extra.name:<10} {state}")
        if not extra.ready:
            lines += [f"{'':<12} {line}" for line in extra.lines]
    errors = sum(finding.level == "error" for finding in checkup.findings)
    lines += ["", "no problem found" if not errors else f"{errors} problem(s), marked {_MARKS['error']}"]
    return "\n".join(lines) + "\n"


def as_values(checkup: Checkup) -> dict[str, Any]:
    """The check-up as plain values."""
    named = {f.found.partition(" ")[0]: f.found.partition(" ")[2] for f in checkup.findings if f.area == "package"}
    return {
        "fairmem": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "healthy": checkup.healthy,
        "packages": {name: version for name, version in named.items() if version},
        "gpus": [device._asdict() for device in checkup.devices],
        "extras": [extra._asdict() for extra in checkup.extras],
        "engines": [state._asdict() for state in checkup.engines],
        "findings": [finding._asdict() for finding in checkup.findings],
    }
