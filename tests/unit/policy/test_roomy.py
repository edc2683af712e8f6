"""A cache that has room holds what one that grows by copying holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fairmem.policy import import_torch

torch = import_torch()

from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer  # noqa: E402

from fairmem.policy.roomy import RoomyLayer, make_room  # noqa: E402


def states(rows: int, length: int) -> tuple[Any, Any]:
    random = torch.Generator().manual_seed(rows * 100 + length)
    keys, values = (torch.randn(rows, 3, length, 4, generator=random) for _ in range(2))
    return keys, values


def filled() -> Any:
    cache: Any = DynamicCache()
    for layer in range(2):
        cache.update(*states(4, 5), layer)
    return cache


@pytest.mark.parametrize("room", [3, 1, 0])  # less than is written: it makes more
def test_every_step_sees_what_the_growing_cache_has(room: int) -> None:
    grown, roomy = filled(), filled()
    make_room(roomy, room)
    for rows, length in ((4, 1), (2, 1), (2, 2)):
        if rows == 2 and grown.layers[0].keys.shape[0] == 4:
            for cache in (grown, roomy):
                cache.batch_select_indices(torch.tensor([3, 1]))
        for layer in range(2):
            expected, found = (cache.update(*states(rows, length), layer) for cache in (grown, roomy))
            assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
    assert roomy.get_seq_length() == grown.get_seq_length() == 9
    assert roomy.layers[0].get_mask_sizes(1) == grown.layers[0].get_mask_sizes(1)


def test_a_step_within_the_room_copies_nothing() -> None:
    cache = filled()
    make_room(cache, 2)
    place = cache.layers[0].keys.data_ptr()
    for _ in range(2):
        cache.update(*states(4, 1), 0)
    assert cache.layers[0].keys.data_ptr() == place
    cache.update(*states(4, 1), 0)
    assert cache.layers[0].keys.data_ptr() != place


def test_other_kinds_of_layers_are_left_as_they_are() -> None:
    whole, window = DynamicLayer(), DynamicSlidingWindowLayer(sliding_window=4)
    for layer in (whole, window):
        layer.update(*states(4, 5))
    cache: Any = SimpleNamespace(layers=[whole, window, DynamicLayer()])
    make_room(cache, 2)
    assert [type(layer) for layer in cache.layers] == [RoomyLayer, DynamicSlidingWindowLayer, DynamicLayer]
    make_room(SimpleNamespace(state=1), 2)  # not a cache of layers
