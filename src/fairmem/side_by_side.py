"""Several seeds at a time, in processes that share the machine's cores and do not outlive the one that began them.

`side_by_side` calls a function; `run_command` runs `fairmem` with a log of its own, for what has its own checkpoints.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


def side_by_side(function: Callable[..., Result], calls: Sequence[tuple[Any, ...]], jobs: int) -> list[Result]:
    """`function(*call)` for every call, `jobs` at a time; the results are in order.

    Function and arguments are pickled. What one call raises is raised here, when the others that have begun are done.
    """
    cores = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    # Spawned: a fork would inherit the locks of torch's threads. They read the variable when they import torch.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin, initargs=(cores,)) as pool:
        return list(pool.map(function, *zip(*calls, strict=True))) if calls else []


def run_command(words: Sequence[str], log: Path, threads: int) -> int:
    """`fairmem` with the arguments `words` in such a process, its output added to the file `log`.

    Returns:
        Its exit status.
    """
    command = [sys.executable, "-m", __name__, str(os.getpid()), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with log.open("a", encoding="utf-8") as output:
        return subprocess.run(command, stdout=output, stderr=output, env=environment, check=False).returncode


def _begin(threads: str) -> None:
    os.environ["OMP_NUM_THREADS"] = threads
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process soon after `parent`: a killed study must not go on writing behind the one that resumes it."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    sys.argv = ["fairmem", *sys.argv[2:]]
    runpy.run_module("fairmem", run_name="__main__", alter_sys=True)
