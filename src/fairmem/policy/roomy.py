"""A cache with room for what is still to be written.

transformers' cache grows by copying all of it for every new token, which in a large batch costs more than attending to
it. Here a step writes its keys and values behind those that are there, and attention sees a view of what is filled.
"""

from __future__ import annotations

from typing import Any

from fairmem.policy.torch_setup import import_torch

import_torch()

from torch import Tensor  # noqa: E402 - prepared by the line above
from transformers.cache_utils import DynamicLayer  # noqa: E402


class RoomyLayer(DynamicLayer):
    """The keys and values [B, H, W, D] of one layer, with room for `room` more positions each."""

    keys: Any
    values: Any

    def __init__(self, keys: Tensor, values: Tensor, room: int) -> None:
        super().__init__()
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._move(keys, values, room)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Put the states of new positions in their place; those of all positions are returned."""
        start, length = self.keys.shape[-2], key_states.shape[-2]
        if start + length > self._all_keys.shape[-2]:  # beyond what was asked for: as much again
            self._move(self.keys, self.values, max(length, start))
        end = start + length
        self._all_keys[:, :, start:end] = key_states
        self._all_values[:, :, start:end] = value_states
        self.keys, self.values = self._all_keys[:, :, :end], self._all_values[:, :, :end]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Only keep these rows, with the room that is left."""
        filled = self.keys.shape[-2]
        self._all_keys, self._all_values = self._all_keys[indices], self._all_values[indices]
        self.keys, self.values = self._all_keys[:, :, :filled], self._all_values[:, :, :filled]

    def _move(self, keys: Tensor, values: Tensor, room: int) -> None:
        rows, heads, width, size = keys.shape
        self._all_keys = keys.new_empty(rows, heads, width + room, size)
        self._all_values = values.new_empty(rows, heads, width + room, values.shape[-1])
        self.keys, self.values = self._all_keys[:, :, :width], self._all_values[:, :, :width]
        self.keys.copy_(keys)
        self.values.copy_(values)


def make_room(cache: Any, room: int) -> None:
    """Give every layer of `cache` that grows by copying room for `room` positions; other kinds are left as they are."""
    layers: list[Any] = getattr(cache, "layers", [])
    for place, layer in enumerate(layers):
        if type(layer) is DynamicLayer and layer.is_initialized:
            states: Any = layer
            layers[place] = RoomyLayer(states.keys, states.values, room)
