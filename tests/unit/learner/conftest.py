"""A two-layer Qwen3 with random weights, and rows to train it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from fairmem.learner import Row

VOCABULARY = 48

MakeModel = Callable[..., Any]
MakeRow = Callable[..., Row]
MakeRows = Callable[..., list[Row]]


@pytest.fixture(autouse=True)
def _one_thread() -> None:  # type: ignore[reportUnusedFunction]
    torch.set_num_threads(1)


@pytest.fixture
def tiny() -> MakeModel:
    """Makes the model; the same seed gives the same weights."""

    def make(seed: int = 0, **overrides: Any) -> Any:
        # from_pretrained-like use must not depend on, or disturb, the test's global random state.
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            config = Qwen3Config(
                vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=256,
                initializer_range=0.3, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2, **overrides,
            )  # fmt: skip
            return Qwen3ForCausalLM(config).eval()

    return make


@pytest.fixture
def row() -> MakeRow:
    """Makes one row; what a test does not name is filled in."""

    def make(prompt: tuple[int, ...] = (1, 2), ids: tuple[int, ...] = (3, 4), **fields: Any) -> Row:
        values: dict[str, Any] = {
            "logprobs": (-1.0,) * len(ids), "advantage": 1.0, "weight": 1.0, "group": "g", "kind": "global",
            "role": "manager", "conversation": "c", "rollout": "b0", "session": 1, "chunk": 0, "policy_version": 0,
        }  # fmt: skip
        return Row(prompt, ids, **{**values, **fields})

    return make


@pytest.fixture
def random_rows(row: MakeRow) -> MakeRows:
    """Makes `count` rows of random tokens in groups of two; some prompts are the same, some differ in length."""

    def make(count: int, seed: int = 0) -> list[Row]:
        rng = np.random.default_rng(seed)
        prompts = [tuple(map(int, rng.integers(3, VOCABULARY, rng.integers(2, 12)))) for _ in range(count // 2)]
        rows: list[Row] = []
        for index in range(count):
            ids = tuple(map(int, rng.integers(3, VOCABULARY, rng.integers(1, 8))))
            rows.append(
                row(
                    prompts[int(rng.integers(len(prompts)))],
                    ids,
                    logprobs=tuple(float(p) for p in -rng.random(len(ids)) - 3.0),
                    advantage=float(rng.normal()),
                    weight=1.0 if index % 3 else 0.5,
                    group=f"g{index // 2}",
                    rollout=f"b{index}",
                )
            )
        return rows

    return make
