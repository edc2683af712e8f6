from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem.config import load_recipe
from fairmem.errors import CreditError
from fairmem.learner.engines.trl import arguments_of, newest, tensors_of
from tests.unit.learner.conftest import MakeRow


def test_prompts_are_padded_left_and_replies_right(row: MakeRow) -> None:
    rows = [
        row((5, 6), (7,), logprobs=(-0.5,), advantage=2.0),
        row((5,), (8, 9), logprobs=(-1.0, -2.0), advantage=-2.0),
    ]
    batch = {name: value.tolist() for name, value in tensors_of(rows, padding=0, device="cpu").items()}
    assert batch["prompt_ids"] == [[5, 6], [0, 5]] and batch["prompt_mask"] == [[1, 1], [0, 1]]
    assert batch["completion_ids"] == [[7, 0], [8, 9]] and batch["completion_mask"] == [[1, 0], [1, 1]]
    assert batch["old_per_token_logps"] == [[-0.5, 0.0], [-1.0, -2.0]]
    assert batch["advantages"] == [2.0, -2.0] and batch["num_items_in_batch"] == 3


def test_a_step_without_rows_is_one_row_of_padding() -> None:
    batch = tensors_of([], padding=3, device="cpu")
    assert batch["prompt_ids"].tolist() == [[3]] and batch["completion_mask"].sum() == 0


def test_rows_of_different_weights_are_refused(row: MakeRow) -> None:
    with pytest.raises(CreditError, match="different weights"):
        tensors_of([row(weight=1.0), row(weight=2.0)], padding=0, device="cpu")


def test_rows_with_advantages_per_token_are_refused(row: MakeRow) -> None:
    with pytest.raises(CreditError, match="advantages per token"):
        tensors_of([row(), row(advantages=(1.0, 0.0))], padding=0, device="cpu")


def test_the_learner_section_in_trls_words(tmp_path: Path) -> None:
    overrides = ["stages=[{steps = 5}]", "learner.epochs=2", "learner.ratio=token", "learner.dual_clip=0.0"]
    found = arguments_of(load_recipe("memory_r2_small", overrides), tmp_path)
    assert found["max_steps"] == 10 and found["num_iterations"] == 2  # an optimizer step per pass
    assert found["importance_sampling_level"] == "token" and found["delta"] is None
    assert found["loss_type"] == "grpo"  # mean over turns


def test_the_newest_checkpoint_is_the_one_with_the_highest_number(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    for step in (2, 10, 9):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert newest(tmp_path) == tmp_path / "checkpoint-10"
