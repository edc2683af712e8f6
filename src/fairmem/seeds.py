"""Named random streams from one run seed, so that any rollout can be replayed alone.

A stream is addressed by a path of names and integers: `derive(seed, "rollout", step, conversation, 3)`.
The path is hashed with SHA-256 over an unambiguous encoding; Python's own `hash` is salted per process
(and `hash(tensor)` is an object id), which is how published code came to score every rollout on
different questions. Streams are independent of the order in which they are drawn.
"""

from __future__ import annotations

import hashlib
import random

import numpy as np

Name = str | int


def derive(seed: int, *path: Name) -> int:
    """A 63-bit seed for the stream at `path` below the run seed `seed`.

    Raises:
        TypeError: a path element is not a plain `str` or `int` (a tensor or a float has no stable identity).
    """
    parts: list[str] = []
    for name in (seed, *path):
        if type(name) is int:
            parts.append(f"i{name}")
        elif type(name) is str:
            parts.append(f"s{len(name)}:{name}")
        else:
            raise TypeError(f"a seed path takes str and int, found {type(name).__name__}: {name!r}")
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def python_rng(seed: int, *path: Name) -> random.Random:
    """A `random.Random` on the stream at `path`."""
    return random.Random(derive(seed, *path))


def numpy_rng(seed: int, *path: Name) -> np.random.Generator:
    """A numpy generator (Philox, counter based) on the stream at `path`."""
    return np.random.Generator(np.random.Philox(key=derive(seed, *path)))
