"""Packs of prompts that begin alike, worked by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairmem.policy.prefix_tree import tree_packs

PROMPTS = [(1, 2, 3), (1, 2, 4, 5), (7,)]


def test_what_prompts_share_stands_once() -> None:
    (pack,) = tree_packs(PROMPTS, limit=100)
    assert pack.ids.tolist() == [1, 2, 3, 4, 5, 7]
    assert pack.positions.tolist() == [0, 1, 2, 2, 3, 0]
    assert pack.prompts == (0, 1, 2)
    assert [path.tolist() for path in pack.paths] == [[0, 1, 2], [0, 1, 3, 4], [5]]


def test_a_token_sees_its_own_beginning_and_itself_alone() -> None:
    (pack,) = tree_packs(PROMPTS, limit=100)
    seen = [np.flatnonzero(row).tolist() for row in pack.allowed]
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 3], [0, 1, 3, 4], [5]]


def test_a_prompt_that_is_the_beginning_of_another_ends_inside_it() -> None:
    (pack,) = tree_packs([(1, 2, 3), (1, 2)], limit=100)
    assert pack.ids.tolist() == [1, 2, 3]
    assert pack.prompts == (1, 0)
    assert [path.tolist() for path in pack.paths] == [[0, 1], [0, 1, 2]]


def test_a_full_pack_is_followed_by_one_that_begins_anew() -> None:
    # 3 tokens, then 2 more would be 5; the second prompt alone is 4.
    first, second = tree_packs(PROMPTS[:2], limit=4)
    assert (first.ids.tolist(), second.ids.tolist()) == ([1, 2, 3], [1, 2, 4, 5])
    assert (first.prompts, second.prompts) == ((0,), (1,))


def test_a_prompt_beyond_the_limit_has_a_pack_of_its_own() -> None:
    assert [pack.prompts for pack in tree_packs([(9,) * 9, (1,)], limit=2)] == [(1,), (0,)]


def test_no_prompts_are_no_packs() -> None:
    assert tree_packs([], limit=4) == []


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple), min_size=1, max_size=12, unique=True),
    st.integers(1, 20),
)
def test_every_prompt_is_read_along_its_path_and_nothing_else_is_seen(
    prompts: list[tuple[int, ...]], limit: int
) -> None:
    packs = tree_packs(prompts, limit)
    assert sorted(number for pack in packs for number in pack.prompts) == list(range(len(prompts)))
    for pack in packs:
        assert len(pack.ids) <= limit or len(pack.prompts) == 1
        for number, path in zip(pack.prompts, pack.paths, strict=True):
            assert tuple(pack.ids[path]) == prompts[number]
            assert pack.positions[path].tolist() == list(range(len(path)))
            for place, token in enumerate(path):
                assert np.flatnonzero(pack.allowed[token]).tolist() == path[: place + 1].tolist()
