"""Attention rows of chosen query positions, through an attention function of our own.

transformers lets attention functions be registered by name. Ours runs SDPA and, for the chosen rows only, the softmax
row as well: O(rows x length) memory where `eager` needs length squared. With plain `sdpa`, `output_attentions=True`
gives an empty tuple, so silence must never be read as no attention: layers without rows are in `Rows.skipped`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairmem.errors import ModelError

_NAME = "fairmem_rows"


@dataclass(frozen=True, slots=True)
class Rows:
    """`weights`: layer -> [heads, rows, length]; `skipped`: layer -> why it has none."""

    weights: dict[int, np.ndarray]
    skipped: dict[int, str]


class _Watch:
    """What the attention function keeps; one at a time, since transformers calls a plain function."""

    def __init__(self, positions: Sequence[int]) -> None:
        self.positions = list(positions)
        self.weights: dict[int, np.ndarray] = {}
        self.skipped: dict[int, str] = {}


_watch: _Watch | None = None


def attention_rows(model: Any, ids: Sequence[int], positions: Sequence[int]) -> Rows:
    """What `positions` of one sequence attend to, in every layer whose weights can be read.

    Raises:
        ModelError: the model does not take attention functions by name.
    """
    global _watch
    import torch

    _register()
    before = model.config.get_text_config()._attn_implementation
    try:
        model.set_attn_implementation(_NAME)
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{type(model).__name__}: takes no attention function by name ({error})") from error
    if model.config.get_text_config()._attn_implementation != _NAME:
        raise ModelError(f"{type(model).__name__}: takes no attention function by name")
    _watch = watch = _Watch(positions)
    try:
        with torch.no_grad():
            model(input_ids=torch.tensor([list(ids)], device=model.device), use_cache=False, logits_to_keep=1)
    finally:
        _watch = None
        model.set_attn_implementation(before)
    layers = range(model.config.get_text_config().num_hidden_layers)
    absent = {i: "it calls no attention function" for i in layers if i not in watch.weights and i not in watch.skipped}
    return Rows(watch.weights, watch.skipped | absent)


def _register() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, sdpa_mask)


def _attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **given: Any) -> Any:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    output = sdpa_attention_forward(module, query, key, value, attention_mask, **given)
    if _watch is not None:
        _keep(_watch, module, query, key, attention_mask, given)
    return output


def _keep(watch: _Watch, module: Any, query: Any, key: Any, mask: Any, given: dict[str, Any]) -> None:
    import torch

    layer = int(module.layer_idx)
    window = given.get("sliding_window")
    if window is not None and window < key.shape[2]:
        watch.skipped[layer] = f"a sliding window of {window} tokens"
        return
    for name in ("softcap", "s_aux"):
        if given.get(name) is not None:
            watch.skipped[layer] = f"its weights use {name}, which is not computed here"
            return
    rows = torch.tensor(watch.positions, device=query.device)
    groups = query.shape[1] // key.shape[1]
    keys = key.repeat_interleave(groups, dim=1).float()
    scale = given.get("scaling") or query.shape[-1] ** -0.5
    scores = query[:, :, rows].float() @ keys.transpose(2, 3) * scale
    if mask is None:
        hidden = torch.arange(key.shape[2], device=query.device)[None, :] > rows[:, None]
        scores = scores.masked_fill(hidden, float("-inf"))
    elif mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask[:, :, rows, : key.shape[2]], float("-inf"))
    else:
        scores = scores + mask[:, :, rows, : key.shape[2]]
    watch.weights[layer] = torch.softmax(scores, dim=-1)[0].cpu().numpy()
