from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fairmem.drift.files import load_scenarios
from fairmem.drift.small import Plant, small_world
from fairmem.errors import ConfigError
from fairmem.policy import read_about
from fairmem.pretrain.plant import ABOUT, SCENARIOS, PlantSettings, plant_model

ONE = PlantSettings(steps=1)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant") / "planted"
    plant_model(ONE, folder)
    return folder


def test_a_planted_folder_holds_a_compact_model_and_the_scenarios_it_reads(planted: Path) -> None:
    about = read_about(planted / "model")
    assert about["prompts"] == "compact" and about["plant"] == {"alpha": 0.5, "ordered": 0.9}
    assert load_scenarios(planted / SCENARIOS) == small_world()


def test_one_step_has_changed_the_weights(planted: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from fairmem.policy import folder_of

    base = folder_of("bundled")
    assert base is not None
    before = load_file(base / "model.safetensors")["model.norm.weight"].float()
    assert not torch.equal(load_file(planted / "model" / "model.safetensors")["model.norm.weight"].float(), before)


def test_what_is_finished_is_left_as_it_is(planted: Path) -> None:
    said: list[str] = []
    before = (planted / ABOUT).stat().st_mtime_ns
    assert plant_model(ONE, planted, said.append) == planted / "model"
    assert said == [] and (planted / ABOUT).stat().st_mtime_ns == before


def test_a_run_that_was_stopped_goes_on(planted: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "stopped"
    shutil.copytree(planted, copy)
    (copy / ABOUT).unlink()  # it is written last
    said: list[str] = []
    plant_model(ONE, copy, said.append)
    assert said == ["going on from step 1 of 1"]
    name = "model/model.safetensors"
    assert (copy / name).read_bytes() == (planted / name).read_bytes()


def test_a_folder_planted_otherwise_is_refused(planted: Path) -> None:
    with pytest.raises(ConfigError, match=r"planted with plant .*0\.5.*choose another folder"):
        plant_model(replace(ONE, plant=Plant(0.8)), planted)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ConfigError, match="not empty and no planted model"):
        plant_model(ONE, tmp_path)


def test_a_base_that_reads_other_prompts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "fairmem.json").write_text(json.dumps({"prompts": "instruct"}))
    with pytest.raises(ConfigError, match="reads compact prompts"):
        plant_model(replace(ONE, base=str(tmp_path / "base")), tmp_path / "out")
    with pytest.raises(ConfigError, match="steps: found 0"):
        plant_model(replace(ONE, steps=0), tmp_path / "out")
    assert not (tmp_path / "out").exists()
