"""Attention of one new token per row, for models whose query heads share keys and values.

transformers copies every key and value once per query head before it multiplies. With one query per head that copy is
most of the work of a decoding step: here the queries that share a head stand side by side as if they were positions,
which is the same product without it. Prompts are read as before.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from fairmem.policy.torch_setup import import_torch

import_torch()

import torch  # noqa: E402 - prepared by the line above
from torch import Tensor  # noqa: E402
from transformers import AttentionInterface  # noqa: E402
from transformers.integrations.sdpa_attention import sdpa_attention_forward  # noqa: E402
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask  # noqa: E402

NAME = "fairmem_grouped"
"""Of this attention in transformers' table."""


@contextmanager
def grouped_attention(model: Any) -> Generator[None, None, None]:
    """Let `model` decode so, if it has grouped queries and attends by `sdpa`; what it had is put back afterwards."""
    config = model.config.get_text_config()
    shared = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    if getattr(config, "_attn_implementation", "") != "sdpa" or shared == config.num_attention_heads:
        yield
        return
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = "sdpa"


def grouped_sdpa(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """`sdpa` of transformers; for queries [B, heads, 1, D] without copies of keys and values [B, groups, W, D].

    The mask is [B, 1, 1, W] or None. Returns [B, 1, heads, D].
    """
    rows, heads, length, size = query.shape
    groups = key.shape[1]
    if length > 1 or heads == groups:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    side_by_side = query.reshape(rows, groups, heads // groups, size)
    out = torch.nn.functional.scaled_dot_product_attention(
        side_by_side, key, value, attn_mask=attention_mask, scale=settings.get("scaling")
    )
    return out.reshape(rows, 1, heads, size), None


AttentionInterface.register(NAME, grouped_sdpa)
AttentionMaskInterface.register(NAME, sdpa_mask)
