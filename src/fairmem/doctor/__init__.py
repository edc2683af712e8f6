"""`fairmem doctor`: what is installed, what does not go together, what can run here, and whether a recipe could start.

versions.py    comparing version numbers
windows.py     which versions go together, in one table with sources; the pip lines
installed.py   what package metadata says; nothing is imported
machine.py     processors, threads, memory, GPUs, disk
bundled.py     the model that ships: is it whole
engines.py     which engines can run here, and why not
start.py       whether a recipe could start
checkup.py     all of it, as text and as values; finding.py: one line of it
"""

from __future__ import annotations

from fairmem.doctor.bundled import BUNDLED_DIGESTS, bundled_findings
from fairmem.doctor.checkup import Checkup, as_values, check_up, page
from fairmem.doctor.engines import EngineState, engine_findings, engine_states
from fairmem.doctor.finding import Finding, Level, failed
from fairmem.doctor.installed import (
    Extra,
    Requirement,
    canonical,
    extras,
    installed_versions,
    package_findings,
    read_requirement,
    torch_findings,
)
from fairmem.doctor.machine import Device, folder_findings, gpus, machine_findings, thread_findings
from fairmem.doctor.start import needed_bytes, start_findings
from fairmem.doctor.versions import satisfies, version_key
from fairmem.doctor.windows import CLASHES, NAMED, WINDOWS, Clash, Window, pip_lines

__all__ = [
    "BUNDLED_DIGESTS",
    "CLASHES",
    "Checkup",
    "Clash",
    "Device",
    "EngineState",
    "Extra",
    "Finding",
    "Level",
    "NAMED",
    "Requirement",
    "WINDOWS",
    "Window",
    "as_values",
    "bundled_findings",
    "canonical",
    "check_up",
    "engine_findings",
    "engine_states",
    "extras",
    "failed",
    "folder_findings",
    "gpus",
    "installed_versions",
    "machine_findings",
    "needed_bytes",
    "package_findings",
    "page",
    "pip_lines",
    "read_requirement",
    "satisfies",
    "start_findings",
    "thread_findings",
    "torch_findings",
    "version_key",
]
