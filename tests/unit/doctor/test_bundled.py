from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fairmem.doctor import BUNDLED_DIGESTS, Finding, bundled_findings
from fairmem.policy import folder_of, weights_digest


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = folder_of("bundled")
    assert folder is not None
    return Path(shutil.copytree(folder, tmp_path / "base"))


def of_copy(folder: Path) -> Finding:
    """What is found of the first model if it were in `folder`; the others stay where they are."""
    first, *others = bundled_findings(places={"bundled": folder})
    assert [one.level for one in others] == ["ok", "ok"]
    return first


def test_the_bundled_models_are_whole_and_their_hashes_are_the_recorded_ones() -> None:
    assert [found.level for found in bundled_findings()] == ["ok"] * 3
    assert {name: weights_digest(name) for name in BUNDLED_DIGESTS} == BUNDLED_DIGESTS


def test_a_weight_that_changed_is_found(copy: Path) -> None:
    path = copy / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    found = of_copy(copy)
    assert found.level == "error" and "its weights have SHA-256" in found.found


def test_a_file_that_was_cut_is_found(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    found = of_copy(copy)
    assert found.level == "error" and "is damaged" in found.found
    path.write_bytes(b"short")
    found = of_copy(copy)
    assert found.level == "error"


def test_a_file_that_is_missing_is_found(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    found = of_copy(copy)
    assert found.level == "error" and "no tokenizer files" in found.found


def test_the_bundled_model_loads_and_writes() -> None:
    pytest.importorskip("torch", reason="the training engine is the extra 'train'")
    assert [finding.level for finding in bundled_findings(load=True)] == ["ok"] * 4
