from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairmem.doctor import Device, folder_findings, gpus, machine_findings, thread_findings
from fairmem.doctor.machine import memory_gib


def script(folder: Path, text: str) -> str:
    path = folder / "smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_gpus_are_read_from_the_drivers_own_tool(tmp_path: Path) -> None:
    command = script(
        tmp_path, "echo 'NVIDIA H100 80GB HBM3, 81559, 570.10'; echo 'NVIDIA H100 80GB HBM3, 81559, 570.10'"
    )
    assert gpus(command) == [Device("NVIDIA H100 80GB HBM3", 81559, "570.10")] * 2


def test_a_tool_that_is_absent_fails_or_says_nonsense_means_no_gpu(tmp_path: Path) -> None:
    assert gpus("no-such-tool-anywhere") == []
    assert gpus(script(tmp_path, "echo 'NVIDIA-SMI has failed'; exit 9")) == []


def test_threads_beyond_the_processors_and_spinning_are_warned_of() -> None:
    def levels(**environment: str) -> list[str]:
        return [finding.level for finding in thread_findings(environment, 4)]

    assert levels() == ["ok"] and levels(OMP_NUM_THREADS="4", OMP_WAIT_POLICY="passive") == ["ok"]
    assert levels(OMP_NUM_THREADS="8") == ["warning", "ok"]
    assert levels(OMP_NUM_THREADS="many") == ["warning", "ok"]
    assert levels(OMP_WAIT_POLICY="ACTIVE") == ["warning"]


def test_a_folder_that_is_not_there_yet_can_be_written_and_is_not_made(tmp_path: Path) -> None:
    (found,) = folder_findings(tmp_path / "a" / "runs", needed=1)
    assert found.level == "ok" and list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    (found,) = folder_findings(tmp_path / "runs" / "x")
    assert found.level == "error" and "it is a file" in found.found


def test_a_folder_without_permission_is_an_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    (found,) = folder_findings(tmp_path / "runs")
    assert found.level == "error" and "--out" in found.remedy


def test_too_little_disk_is_an_error_with_what_is_needed(tmp_path: Path) -> None:
    (found,) = folder_findings(tmp_path, needed=2**60)
    assert found.level == "error" and "about 1073741824.0 GiB are needed" in found.remedy


def test_memory_is_what_the_system_says_is_available(tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal: 9 kB\nMemAvailable:   2097152 kB\n")
    assert memory_gib(path) == 2.0
    assert memory_gib(tmp_path / "absent") is None


def test_the_machine_names_its_gpus_or_says_that_there_are_none() -> None:
    card = Device("NVIDIA L4", 23034, "570")
    assert any(f.found == "NVIDIA L4, 22.5 GiB, driver 570" for f in machine_findings([card], {}))
    assert any("no NVIDIA GPU" in f.found and f.level == "note" for f in machine_findings([], {}))
