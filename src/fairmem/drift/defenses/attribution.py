"""Which memories moved an argument: by halving, or by leaving out one at a time.

Halving (as in delta debugging: Zeller and Hildebrandt, 2002) follows the half that alone moves the argument by at least
half of what all did, and so ends at one sentence that suffices. Where no half does, several act together, and what is
left is told apart by leaving out one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from fairmem.agents.hooks import Remembered

SHARE = 0.5
"""Of the whole shift: what counts as moving the argument."""

Some = tuple[Remembered, ...]


def responsible(
    memories: Some, moved: Callable[[Some], float], search: Literal["halving", "leave-one-out"] = "halving"
) -> tuple[str, ...]:
    """Ids of the memories that moved an argument; empty if all together do not.

    Args:
        memories: The suspects, in order.
        moved: How far some of them alone move it, 0 to 1. Asked for no set twice in one search.
        search: `halving` names one that suffices, or those that act together; `leave-one-out` all that are needed.
    """
    full = moved(memories)
    if full <= 1e-9:
        return ()
    left = memories
    if search == "halving":
        while len(left) > 1:
            middle = len(left) // 2
            half = next((some for some in (left[:middle], left[middle:]) if moved(some) >= SHARE * full), None)
            if half is None:
                break
            left = half
    if len(left) == 1:
        return (left[0].id,)
    return _needed(left, moved, full)


def _needed(memories: Some, moved: Callable[[Some], float], full: float) -> tuple[str, ...]:
    """Those whose absence takes away most: at least half of what the strongest takes. All, if none is needed alone."""
    whole = moved(memories)
    drops = [whole - moved(memories[:i] + memories[i + 1 :]) for i in range(len(memories))]
    strongest = max(drops)
    if strongest <= 1e-9 * full:
        return tuple(memory.id for memory in memories)
    return tuple(
        memory.id for memory, drop in zip(memories, drops, strict=True) if drop >= SHARE * strongest and drop > 0
    )
