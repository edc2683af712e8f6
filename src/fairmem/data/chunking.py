"""Cutting a session into the slices that one extractor call sees."""

from __future__ import annotations

from fairmem.errors import ConfigError
from fairmem.types import Chunk, Session


def split_session(session: Session, chunks_per_session: int) -> tuple[Chunk, ...]:
    """Cut `session` into at most `chunks_per_session` consecutive chunks of ceil(turns / chunks_per_session) turns.

    The last chunk may be shorter, and there may be fewer chunks than asked for: 10 turns in 6 chunks give
    five chunks of two. No chunk is empty (Memory-R2 makes the same slices but calls its models for the empty
    ones too), so a session without turns gives none.

    Raises:
        ConfigError: `chunks_per_session` is below 1.
    """
    if chunks_per_session < 1:
        raise ConfigError(f"chunks_per_session must be at least 1, found {chunks_per_session}")
    size = max(1, -(-len(session.turns) // chunks_per_session))
    return tuple(
        Chunk(session.index, index, session.time, session.turns[first : first + size])
        for index, first in enumerate(range(0, len(session.turns), size))
    )
