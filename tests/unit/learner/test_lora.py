from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from fairmem.config import LearnerConfig
from fairmem.errors import ConfigError, MissingExtraError
from fairmem.learner import Learner, export, with_lora
from tests.unit.learner.conftest import MakeModel, MakeRows

INSTALLED = importlib.util.find_spec("peft") is not None


@pytest.mark.skipif(INSTALLED, reason="the extra 'lora' is installed")
def test_without_the_extra_the_pip_line_is_given(tiny: MakeModel) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'fairmem\[lora\]'"):
        with_lora(tiny(), rank=2)


def test_a_rank_below_one_is_refused(tiny: MakeModel) -> None:
    with pytest.raises(ConfigError, match="found 0"):
        with_lora(tiny(), rank=0)


class _Tokenizer:
    """Writes nothing; the export of the weights is what is looked at."""

    def save_pretrained(self, folder: Path) -> None:
        assert folder.is_dir()


@pytest.mark.skipif(not INSTALLED, reason="needs the extra 'lora'")
def test_adapters_train_their_base_stays_and_is_the_reference_and_the_export_is_merged(
    tiny: MakeModel, random_rows: MakeRows, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    plain: Any = tiny()
    model = with_lora(tiny(), rank=2)
    learner = Learner(model, config=LearnerConfig(lr=1e-2, warmup_steps=0, kl=0.1, epochs=4))
    rows = random_rows(8)
    assert learner.step(rows)["kl"] > 0
    ids = torch.tensor([[1, 2, 3]])
    with model.disable_adapter():
        assert torch.equal(model(ids).logits, plain(ids).logits)
    assert not torch.allclose(model(ids).logits, plain(ids).logits, atol=1e-4)
    merged = AutoModelForCausalLM.from_pretrained(export(model, _Tokenizer(), tmp_path / "merged", {}))
    assert torch.allclose(merged(ids).logits, model(ids).logits, atol=1e-4)
