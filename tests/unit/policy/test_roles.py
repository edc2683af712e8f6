"""One model for all roles, or a folder with one per role."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fairmem.policy import is_pair, of_role, open_writers


@pytest.fixture
def pair(tmp_path: Path, model_folder: Path) -> Path:
    for role in ("extractor", "manager"):
        shutil.copytree(model_folder, tmp_path / "run" / "model" / role)
    return tmp_path / "run" / "model"


def test_a_folder_with_a_model_for_both_roles_is_a_pair(pair: Path, model_folder: Path, tmp_path: Path) -> None:
    assert is_pair(str(pair)) and is_pair(f"hf:{pair}")
    for spec in (str(model_folder), "bundled", "openai:gpt", "scripted", str(tmp_path / "absent")):
        assert not is_pair(spec)
        assert of_role(spec, "manager") == spec
    assert of_role(str(pair), "manager") == f"hf:{pair / 'manager'}"
    (pair / "extractor" / "config.json").unlink()
    assert not is_pair(str(pair))


def test_a_pair_is_opened_as_two_models_named_after_run_and_role(pair: Path) -> None:
    opened = open_writers(str(pair), "", "")
    assert {role: policy.name for role, policy in opened.items()} == {
        "extractor": "run/extractor",
        "manager": "run/manager",
    }


def test_anything_else_is_opened_once_for_every_role(model_folder: Path) -> None:
    opened = open_writers(str(model_folder), "", "")
    assert (
        set(opened) == {"extractor", "manager", "single", "writer"}
        and len({id(policy) for policy in opened.values()}) == 1
    )
