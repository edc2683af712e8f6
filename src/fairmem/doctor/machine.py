"""The machine: processors, threads, memory, GPUs, disk; read from the system, without torch."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fairmem.doctor.finding import Finding

_GIB = 2**30
_SMALLEST_DISK = 2 * _GIB
"""Below this a run of the small model with its checkpoints may not end."""


class Device(NamedTuple):
    """A GPU: its name, memory in MiB, and the driver."""

    name: str
    memory_mib: int
    driver: str


def gpus(command: str = "nvidia-smi") -> list[Device]:
    """The GPUs that the driver's own tool names; none without it. AMD's are not looked for."""
    path = shutil.which(command)
    if path is None:
        return []
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run([path, *query], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
    return [Device(row[0], int(row[1]), row[2]) for row in rows if len(row) == 3 and row[1].isdigit()]


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gib(path: Path = Path("/proc/meminfo")) -> float | None:
    """Memory that is available, GiB; None where the system does not say."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(sizes[0]) * 1024 / _GIB if sizes else None


def machine_findings(devices: list[Device], environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Python, processors, memory and GPUs."""
    python = platform.python_version()
    new_enough = sys.version_info >= (3, 11)
    yield Finding(
        "python", "ok" if new_enough else "error", f"Python {python}", "" if new_enough else "use 3.11 or newer"
    )
    free = memory_gib()
    yield Finding(
        "machine",
        "ok",
        f"{processors()} processors" + ("" if free is None else f", {free:.1f} GiB of memory available"),
    )
    for device in devices:
        yield Finding("gpu", "ok", f"{device.name}, {device.memory_mib / 1024:.1f} GiB, driver {device.driver}")
    if not devices:
        yield Finding("gpu", "note", "no NVIDIA GPU is found (nvidia-smi); models run on the CPU")
    yield from thread_findings(environment, processors())


def thread_findings(environment: Mapping[str, str], count: int) -> Iterator[Finding]:
    """Whether OpenMP's threads fit the machine."""
    asked = environment.get("OMP_NUM_THREADS", "")
    if asked and not (asked.isdigit() and int(asked) > 0):
        yield Finding("threads", "warning", f"OMP_NUM_THREADS is '{asked}'", "expected a number above 0; unset it")
    elif asked and int(asked) > count:
        yield Finding(
            "threads", "warning", f"OMP_NUM_THREADS is {asked}, above the {count} processors", f"set it to {count}"
        )
    waiting = environment.get("OMP_WAIT_POLICY", "")
    if waiting and waiting.upper() != "PASSIVE":
        yield Finding(
            "threads",
            "warning",
            f"OMP_WAIT_POLICY is '{waiting}': threads that spin starve each other where the machine is shared",
            "unset it; fairmem sets PASSIVE before it loads torch",
        )
    else:
        said = f"OMP_NUM_THREADS {asked or 'not set'}, OMP_WAIT_POLICY {waiting or 'PASSIVE (fairmem sets it)'}"
        yield Finding("threads", "ok", said)


def folder_findings(folder: Path, needed: float = _SMALLEST_DISK) -> Iterator[Finding]:
    """Whether runs can be written to `folder` (it need not be there yet), and whether `needed` bytes are free.

    Nothing is left behind: the test file is one without a name, in the nearest folder that exists.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        if not place.is_dir():
            raise NotADirectoryError(20, "it is a file")
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"x")
    except OSError as error:
        why = error.strerror or str(error)
        yield Finding(
            "runs", "error", f"{folder}: cannot be written ({place}: {why})", "choose another folder with --out"
        )
        return
    free = shutil.disk_usage(place).free
    enough = free >= needed
    yield Finding(
        "runs",
        "ok" if enough else "error",
        f"{folder} can be written, {free / _GIB:.1f} GiB free",
        "" if enough else f"about {needed / _GIB:.1f} GiB are needed; free some, or choose another folder with --out",
    )
