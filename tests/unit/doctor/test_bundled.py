from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fairmem.doctor import BUNDLED_DIGEST, bundled_findings
from fairmem.policy import folder_of, weights_digest


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = folder_of("bundled")
    assert folder is not None
    return Path(shutil.copytree(folder, tmp_path / "base"))


def test_the_bundled_model_is_whole_and_its_hash_is_the_recorded_one() -> None:
    (found,) = bundled_findings()
    assert found.level == "ok" and weights_digest("bundled") == BUNDLED_DIGEST


def test_a_weight_that_changed_is_found(copy: Path) -> None:
    path = copy / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (found,) = bundled_findings(folder=copy)
    assert found.level == "error" and "its weights have SHA-256" in found.found


def test_a_file_that_was_cut_is_found(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    (found,) = bundled_findings(folder=copy)
    assert found.level == "error" and "is damaged" in found.found
    path.write_bytes(b"short")
    (found,) = bundled_findings(folder=copy)
    assert found.level == "error"


def test_a_file_that_is_missing_is_found(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    (found,) = bundled_findings(folder=copy)
    assert found.level == "error" and "no tokenizer files" in found.found


def test_the_bundled_model_loads_and_writes() -> None:
    pytest.importorskip("torch", reason="the training engine is the extra 'train'")
    assert [finding.level for finding in bundled_findings(load=True)] == ["ok", "ok"]
