"""Slices of sessions."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmem.data import split_session
from fairmem.errors import ConfigError
from fairmem.types import Session, Turn


def _session(turns: int) -> Session:
    return Session(3, datetime(2023, 5, 8), tuple(Turn(f"D3:{n}", "Ana", "hm") for n in range(1, turns + 1)))


@pytest.mark.parametrize(
    ("turns", "chunks", "sizes"),
    [
        (21, 6, [4, 4, 4, 4, 4, 1]),  # ceil(21 / 6) = 4
        (10, 6, [2, 2, 2, 2, 2]),  # ceil(10 / 6) = 2: five chunks, not a sixth without turns
        (12, 6, [2] * 6),
        (3, 6, [1, 1, 1]),
        (7, 1, [7]),
        (0, 6, []),
    ],
)
def test_chunks_are_ceiling_slices_and_none_is_empty(turns: int, chunks: int, sizes: list[int]) -> None:
    assert [len(chunk.turns) for chunk in split_session(_session(turns), chunks)] == sizes


def test_chunks_carry_the_session_its_time_and_their_place_in_it() -> None:
    first, second = split_session(_session(3), 2)
    assert (first.session, first.index, first.time) == (3, 0, datetime(2023, 5, 8))
    assert (second.session, second.index, second.turns[0].id) == (3, 1, "D3:3")


@given(st.integers(0, 60), st.integers(1, 12))
def test_chunks_joined_are_the_session(turns: int, chunks: int) -> None:
    pieces = split_session(_session(turns), chunks)
    assert tuple(turn for piece in pieces for turn in piece.turns) == _session(turns).turns
    assert len(pieces) <= chunks
    assert [piece.index for piece in pieces] == list(range(len(pieces)))


def test_less_than_one_chunk_is_refused() -> None:
    with pytest.raises(ConfigError, match="chunks_per_session must be at least 1, found 0"):
        split_session(_session(3), 0)
