"""Reading and changing the residual stream by forward hooks on decoder blocks.

Hooks, not wrappers: a wrapped block lacks the attributes that newer decoders ask of it. What a hook sees of the last
block lies before the final norm; `hidden_states[-1]` of transformers lies after it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fairmem.errors import ModelError

Change = Any
"""(hidden states [batch, positions, width]) -> changed ones; a function of torch tensors."""


def decoder_blocks(model: Any) -> list[Any]:
    """The decoder blocks of a causal language model, in order.

    Raises:
        ModelError: the model has no list of as many modules as its config has layers.
    """
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    for name, module in model.named_modules():
        if type(module).__name__ == "ModuleList" and len(module) == count and name.split(".")[-1] in _LISTS:
            return list(module)
    raise ModelError(f"{type(model).__name__}: no list of {count} decoder blocks found; the probes know {_LISTS}")


_LISTS = ("layers", "h", "blocks")


def hidden_at(model: Any, ids: Sequence[int], positions: Sequence[int]) -> np.ndarray:
    """Output of every block at `positions` of one sequence, float32 [L, positions, W]."""
    import torch

    found: dict[int, np.ndarray] = {}

    def keep(layer: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            found[layer] = states[0, list(positions)].float().cpu().numpy()

        return hook

    handles = [block.register_forward_hook(keep(i)) for i, block in enumerate(decoder_blocks(model))]
    try:
        with torch.no_grad():
            model(input_ids=torch.tensor([list(ids)], device=model.device), use_cache=False, logits_to_keep=1)
    finally:
        for handle in handles:
            handle.remove()
    return np.stack([found[layer] for layer in range(len(handles))])


@contextmanager
def changed(model: Any, changes: Mapping[int, Change], start: int = 0) -> Generator[None, None, None]:
    """While inside, the output of block `layer` is `changes[layer]` of it from position `start` on.

    Positions are those of unpadded sequences, counted on across calls that go on from a cache.
    """
    import torch

    seen = 0

    def count(_module: Any, _inputs: Any, given: dict[str, Any]) -> None:
        nonlocal seen
        cache = given.get("past_key_values")
        seen = 0 if cache is None else int(cache.get_seq_length())

    def change(function: Change) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> Any:
            states = output[0] if isinstance(output, tuple) else output
            first = max(0, start - seen)
            if first >= states.shape[1]:
                return output
            new = torch.cat([states[:, :first], function(states[:, first:])], dim=1)
            return (new, *output[1:]) if isinstance(output, tuple) else new

        return hook

    blocks = decoder_blocks(model)
    handles = [model.register_forward_pre_hook(count, with_kwargs=True)]
    handles += [blocks[layer].register_forward_hook(change(function)) for layer, function in changes.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def ablation(vector_W: np.ndarray, neutral: float) -> Change:
    """H <- h - (<h, v> - neutral) v, for a unit vector v."""
    return _Ablation(vector_W, neutral)


def addition(vector_W: np.ndarray, amount: float) -> Change:
    """H <- h + amount v."""
    return _Addition(vector_W, amount)


class _Ablation:
    def __init__(self, vector_W: np.ndarray, neutral: float) -> None:
        self._vector_W, self._neutral = vector_W, neutral

    def __call__(self, states: Any) -> Any:
        v = states.new_tensor(self._vector_W)
        along = (states @ v - self._neutral).unsqueeze(-1)
        return states - along * v


class _Addition:
    def __init__(self, vector_W: np.ndarray, amount: float) -> None:
        self._vector_W, self._amount = vector_W, amount

    def __call__(self, states: Any) -> Any:
        return states + self._amount * states.new_tensor(self._vector_W)
