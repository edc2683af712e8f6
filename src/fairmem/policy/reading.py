"""Reads the prompts of a batch: padded side by side, or what they have in common once (`prefix_tree`).

Which of the two is decided by the number of tokens to compute. The numbers are the same but for rounding.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from fairmem.policy.prefix_tree import TreePack, tree_packs
from fairmem.policy.torch_setup import import_torch

import_torch()

import torch  # noqa: E402 - prepared by the line above
from torch import Tensor  # noqa: E402

_PACK = {"cpu": 512, "cuda": 4096}
"""Tokens of a pack: attention costs its square, and on a GPU short calls cost what long ones do."""
_WORTH = 0.75
"""A tree is read if it has no more than this share of the tokens of the padded batch."""


def read_prompts(model: Any, prompts: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Any, Tensor]:
    """Logits [U, V] after each of U different prompts, the cache, and its mask [U, W] (1 on real tokens, on the right).

    Args:
        model: A causal language model of transformers, in eval mode, gradients off.
        prompts: Token ids, none empty.
        fill: Id for padding.
    """
    if len(prompts) > 1 and _takes_trees(model):
        width = max(map(len, prompts))
        packs = tree_packs(prompts, max(_PACK.get(model.device.type, _PACK["cpu"]), 2 * width))
        if sum(len(pack.ids) for pack in packs) <= _WORTH * len(prompts) * width:
            return _by_tree(model, prompts, packs)
    ids, mask = padded(prompts, fill, left=True, device=model.device)
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
        use_cache=True,
        logits_to_keep=1,
    )
    return out.logits[:, -1], out.past_key_values, mask


def padded(rows: Sequence[Sequence[int]], fill: int, *, left: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """`rows` as int64 [B, longest] with their mask (1 on real tokens), padded with `fill` on one side."""
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), fill, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[index, place] = torch.tensor(row, dtype=torch.long)
        mask[index, place] = 1
    return ids.to(device), mask.to(device)


def _takes_trees(model: Any) -> bool:
    """Whether `model` attends by a dense mask alone: no window, no state, no bias by distance."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # of adapters, whose own says nothing
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    whole = kinds <= {"full_attention"} and (kinds or getattr(config, "sliding_window", None) is None)
    by_position = "position_ids" in inspect.signature(inner.forward).parameters and not getattr(config, "alibi", False)
    return bool(whole) and by_position and getattr(config, "_attn_implementation", "") == "sdpa"


def _by_tree(model: Any, prompts: Sequence[Sequence[int]], packs: Sequence[TreePack]) -> tuple[Tensor, Any, Tensor]:
    """As `read_prompts`, from packs: one call each, whose cache is shared out to the prompts."""
    device = model.device
    _, mask = padded(prompts, 0, left=True, device=device)
    width = mask.shape[1]
    cache: Any = None
    whole: list[tuple[Tensor, Tensor]] = []
    read: list[tuple[Tensor, Tensor]] = []
    for pack in packs:
        ends = torch.tensor([int(path[-1]) for path in pack.paths], device=device)
        out = model(
            input_ids=torch.from_numpy(pack.ids)[None].to(device),
            attention_mask=torch.from_numpy(pack.allowed)[None, None].to(device),
            position_ids=torch.from_numpy(pack.positions)[None].to(device),
            use_cache=True,
            logits_to_keep=ends,
        )
        cache = out.past_key_values
        if not whole:
            whole = [(_room(layer.keys, prompts, width), _room(layer.values, prompts, width)) for layer in cache.layers]
        rows = torch.tensor(pack.prompts, device=device)
        read.append((rows, out.logits[0]))
        # Where a prompt is shorter than the longest, its padding is whatever stands first, behind the mask.
        places = torch.zeros((len(rows), width), dtype=torch.long)
        for place, path in zip(places, pack.paths, strict=True):
            place[width - len(path) :] = torch.from_numpy(path)
        places = places.to(device)
        for layer, (keys, values) in zip(cache.layers, whole, strict=True):
            keys[rows] = layer.keys[0][:, places].transpose(0, 1)
            values[rows] = layer.values[0][:, places].transpose(0, 1)
    for layer, (keys, values) in zip(cache.layers, whole, strict=True):
        layer.keys, layer.values = keys, values
    logits = torch.cat([part for _, part in read])[torch.cat([rows for rows, _ in read]).argsort()]
    return logits, cache, mask


def _room(states_1HnD: Tensor, prompts: Sequence[Sequence[int]], width: int) -> Tensor:
    _, heads, _, size = states_1HnD.shape
    return states_1HnD.new_empty(len(prompts), heads, width, size)
