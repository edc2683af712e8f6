"""Calls in processes of their own: order, threads, failures, and a parent that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fairmem.errors import ConfigError
from fairmem.side_by_side import run_command, side_by_side

PARENT = """
import os, time
from fairmem.side_by_side import side_by_side

def slow(number):
    os.write(1, f"{os.getpid()}\\n".encode())  # in one piece: two processes write here
    time.sleep(60)

if __name__ == "__main__":
    side_by_side(slow, [(1,), (2,)], 2)
"""


COMMAND = """
import sys
from pathlib import Path
from fairmem.side_by_side import run_command

folder = Path(sys.argv[1])
run_command(["lengths", "oracle", "--tokens", "9M", "--out", str(folder / "out")], folder / "log.txt", 1)
"""


def threads(number: int) -> tuple[int, str, int]:
    return number, os.environ["OMP_NUM_THREADS"], os.getpid()


def refuse(number: int) -> int:
    raise ConfigError(f"found {number}")


def test_results_are_in_order_and_from_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = side_by_side(threads, [(1,), (2,), (3,)], 2)
    assert [(number, count) for number, count, _ in found] == [(1, "3"), (2, "3"), (3, "3")]
    assert os.getpid() not in {process for _, _, process in found}


def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(ConfigError, match="found 7"):
        side_by_side(refuse, [(7,)], 2)


def test_no_calls_are_no_results() -> None:
    assert side_by_side(threads, [], 2) == []


def test_processes_end_when_the_one_that_began_them_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=quiet, text=True) as parent:
        assert parent.stdout is not None
        children = [int(parent.stdout.readline()) for _ in range(2)]
        os.kill(parent.pid, signal.SIGKILL)
    assert all_end(children)


def test_a_command_ends_when_the_process_that_began_it_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(COMMAND, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)]) as parent:
        below, log = Path(f"/proc/{parent.pid}/task/{parent.pid}/children"), tmp_path / "log.txt"
        deadline = time.monotonic() + 60
        while not (log.exists() and "entries" in log.read_text(encoding="utf-8")) and time.monotonic() < deadline:
            time.sleep(0.1)  # until it is at work
        children = [int(process) for process in below.read_text(encoding="utf-8").split()]
        os.kill(parent.pid, signal.SIGKILL)
    assert len(children) == 1 and all_end(children)


def all_end(processes: list[int]) -> bool:
    deadline = time.monotonic() + 30
    while any(alive(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(alive(process) for process in processes)


def test_a_command_leaves_its_output_in_the_log_and_its_status(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("before\n", encoding="utf-8")
    assert run_command(["--version"], log, 1) == 0 and run_command(["train", "absent"], log, 1) == 2
    first, second, third = log.read_text(encoding="utf-8").splitlines()
    assert first == "before" and second.startswith("fairmem ") and third.startswith("fairmem: error: absent: no such")


def alive(process: int) -> bool:
    try:
        # A process that has ended stays in the table until its new parent looks.
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
