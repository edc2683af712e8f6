"""Prompts read as a tree beside the same prompts read one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fairmem.policy import import_torch
from fairmem.policy.hf import HFPolicy
from fairmem.policy.reading import padded, read_prompts

torch = import_torch()
ALIKE = [(9, 4, 7, 30, 12), (9, 4, 7, 30), (9, 4, 7, 8, 8, 8), (9, 4, 41)]
"""8 + 1 tokens of a tree (9 4 7 30 12, 8 8 8, 41) against 4 x 6 side by side."""


@pytest.fixture
def model(model_folder: Path) -> Any:
    return HFPolicy.from_folder(model_folder, device="cpu").model.eval()


def calls_of(model: Any) -> list[tuple[int, ...]]:
    """The shapes of the ids of each call from now on."""
    shapes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    return shapes


@torch.no_grad()
def alone(model: Any, prompt: tuple[int, ...]) -> Any:
    return model(input_ids=torch.tensor([prompt]), use_cache=True)


@torch.no_grad()
def test_a_tree_gives_the_logits_and_the_cache_of_each_prompt_alone(model: Any) -> None:
    shapes = calls_of(model)
    logits, cache, mask = read_prompts(model, ALIKE, 0)
    assert shapes == [(1, 9)]
    assert mask.tolist() == [[0, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1] * 6, [0, 0, 0, 1, 1, 1]]
    for row, prompt in enumerate(ALIKE):
        expected = alone(model, prompt)
        torch.testing.assert_close(logits[row], expected.logits[0, -1], atol=1e-5, rtol=1e-4)
        for layer, single in zip(cache.layers, expected.past_key_values.layers, strict=True):
            own = layer.keys[row][:, 6 - len(prompt) :], layer.values[row][:, 6 - len(prompt) :]
            torch.testing.assert_close(own[0], single.keys[0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(own[1], single.values[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_what_follows_a_tree_is_what_follows_the_prompt_alone(model: Any) -> None:
    _, cache, mask = read_prompts(model, ALIKE, 0)
    told = {
        "attention_mask": torch.cat([mask, mask.new_ones(4, 1)], dim=1),
        "position_ids": mask.sum(dim=1, keepdim=True),
        "past_key_values": cache,
    }
    logits = model(input_ids=torch.tensor([[3]] * 4), **told).logits
    for row, prompt in enumerate(ALIKE):
        torch.testing.assert_close(logits[row, -1], alone(model, (*prompt, 3)).logits[0, -1], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_prompts_with_little_in_common_are_read_side_by_side(model: Any) -> None:
    shapes = calls_of(model)
    read_prompts(model, [(1, 2, 3), (4, 5, 6), (7, 8, 9)], 0)
    assert shapes == [(3, 3)]


@torch.no_grad()
@pytest.mark.parametrize(
    "settings",
    [
        {"_attn_implementation": "eager"},
        {"layer_types": ["sliding_attention"] * 8, "sliding_window": 4},
        {"alibi": True},
    ],
)
def test_models_that_do_not_attend_by_a_dense_mask_alone_read_side_by_side(model: Any, settings: Any) -> None:
    shapes = calls_of(model)
    for key, value in settings.items():
        setattr(model.config, key, value)
    model.model.has_sliding_layers = "layer_types" in settings
    read_prompts(model, ALIKE, 0)
    assert shapes == [(4, 6)]


def test_padding_stands_on_the_side_that_is_asked_for() -> None:
    ids, mask = padded([(1, 2), (3,)], 0, left=False, device=torch.device("cpu"))
    assert (ids.tolist(), mask.tolist()) == ([[1, 2], [3, 0]], [[1, 1], [1, 0]])
    ids, mask = padded([(1, 2), (3,)], 0, left=True, device=torch.device("cpu"))
    assert (ids.tolist(), mask.tolist()) == ([[1, 2], [0, 3]], [[1, 1], [0, 1]])


@torch.no_grad()
def test_a_model_with_adapters_reads_trees_too(model: Any) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install 'fairmem[lora]'")
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj"])).eval()
    shapes = calls_of(model)
    logits, _, _ = read_prompts(adapted, ALIKE, 0)
    assert shapes == [(1, 9)]
    torch.testing.assert_close(logits[2], alone(model, ALIKE[2]).logits[0, -1], atol=1e-5, rtol=1e-4)
