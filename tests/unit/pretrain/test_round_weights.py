"""Rounding a model folder for shipping."""

from pathlib import Path

import pytest
import torch

from fairmem.errors import CheckpointError
from fairmem.policy import open_policy
from fairmem.policy.hf import HFPolicy
from fairmem.pretrain.round_weights import round_weights
from tests.unit.policy.conftest import build_model_folder


def test_a_rounded_model_opens_with_the_nearest_bfloat16_of_every_weight(tmp_path: Path) -> None:
    source = build_model_folder(tmp_path / "source")
    round_weights(source, tmp_path / "rounded")
    whole, rounded = open_policy(str(source)), open_policy(str(tmp_path / "rounded"))
    assert isinstance(whole, HFPolicy) and isinstance(rounded, HFPolicy)
    for one, other in zip(whole.model.parameters(), rounded.model.parameters(), strict=True):
        assert torch.equal(one.to(torch.bfloat16).float(), other.float())
    assert (tmp_path / "rounded" / "model.safetensors").stat().st_size < (source / "model.safetensors").stat().st_size


def test_a_folder_without_weights_and_one_that_exists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model.safetensors in it"):
        round_weights(tmp_path, tmp_path / "new")
    source = build_model_folder(tmp_path / "source")
    with pytest.raises(CheckpointError, match="exists; give a new folder"):
        round_weights(source, source)
