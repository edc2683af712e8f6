from __future__ import annotations

import pytest

from fairmem.doctor import EngineState, engine_findings, engine_states
from fairmem.learner.engines.base import ENGINES

BASE = {"torch": "2.13.0", "transformers": "5.10.4", "safetensors": "0.8.0"}
VERL = {**BASE, "verl": "0.9.1", "ray": "2.60.0", "tensordict": "0.10.0"}
TRL = {**BASE, "trl": "1.16.0", "accelerate": "1.15.0", "datasets": "4.8.0"}


def state(name: str, installed: dict[str, str], gpus: int = 0) -> EngineState:
    return next(found for found in engine_states(installed, gpus) if found.name == name)


def test_every_engine_has_a_state() -> None:
    assert [found.name for found in engine_states({}, 0)] == list(ENGINES)
    assert not any(found.ready for found in engine_states({}, 0))


@pytest.mark.parametrize(("name", "installed"), [("embedded", BASE), ("verl", VERL), ("trl", TRL)])
def test_an_engine_with_its_packages_can_run(name: str, installed: dict[str, str]) -> None:
    assert state(name, installed).ready
    for package in installed:
        lacking = {other: version for other, version in installed.items() if other != package}
        assert f"{package} is not installed" in state(name, lacking).reasons


def test_a_version_outside_its_window_stops_the_engine_it_matters_to() -> None:
    new = {**VERL, "transformers": "5.23.0"}
    assert state("embedded", new).ready
    assert "verl wants transformers>=5.5.3,!=5.6.0,<5.11, found 5.23.0" in state("verl", new).reasons
    assert "fairmem wants verl==0.9.1, found 0.10.0" in state("verl", {**VERL, "verl": "0.10.0"}).reasons


def test_verl_and_trl_stop_each_other_and_not_the_embedded_engine() -> None:
    both = {**VERL, **TRL}
    assert state("embedded", both).ready
    assert not state("verl", both).ready and not state("trl", both).ready


def test_on_gpus_verl_samples_with_vllm() -> None:
    assert "vllm is not installed" in state("verl", VERL, gpus=8).reasons[0]
    assert state("verl", {**VERL, "vllm": "0.24.0"}, gpus=8).runs_on == "8 GPUs"
    assert state("verl", VERL).runs_on == "CPU"


def test_only_the_engine_that_is_asked_for_has_to_be_ready() -> None:
    states = engine_states(BASE, 0)
    assert [f.level for f in engine_findings(states, None)] == ["ok", "note", "note"]
    assert [f.level for f in engine_findings(states, "trl")] == ["ok", "note", "error"]
    assert "trl-env/bin/pip" in list(engine_findings(states, "trl"))[2].remedy
