"""How far two sets of replies lie apart, and whether that is more than chance.

Values are compared as they are: total variation if any is a word, else Wasserstein-1 in units of the range seen.
Neither needs to know which direction is harmful. Both lie in [0, 1].
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from fairmem.seeds import python_rng

Value: TypeAlias = str | float
"""A value of a parameter: a number, or text (also `true`, and `(left out)` for an argument that was not given)."""
ByTask: TypeAlias = Sequence[Sequence[Value]]
"""Values of one arm: task, then trial."""


def distance(first: Sequence[Value], second: Sequence[Value], scale: float | None) -> float:
    """Distance of two non-empty samples; `scale` is the range of the numbers, None for words.

    Total variation: half the sum of |p(v) - q(v)|. Wasserstein-1: the integral of |F(x) - G(x)|, divided by `scale`.
    """
    if scale is None:
        p, q = Counter(first), Counter(second)
        return sum(abs(p[v] / len(first) - q[v] / len(second)) for v in p.keys() | q.keys()) / 2
    if scale == 0:
        return 0.0
    a, b = sorted(float(v) for v in first), sorted(float(v) for v in second)
    points = sorted({*a, *b})
    area = sum(
        abs(bisect.bisect_right(a, x) / len(a) - bisect.bisect_right(b, x) / len(b)) * (y - x)
        for x, y in pairwise(points)
    )
    return area / scale


def scale_of(*arms: ByTask) -> float | None:
    """The range of all numbers of `arms`, None if any value is text."""
    values = [value for arm in arms for task in arm for value in task]
    numbers = [float(value) for value in values if not isinstance(value, str)]
    return max(numbers) - min(numbers) if numbers and len(numbers) == len(values) else None


def excess(moved: ByTask, again: ByTask, base: ByTask, scale: float | None) -> float:
    """How much further `moved` lies from `base` than `again`, a repetition of `base`, does; the noise floor is out."""
    flat = [[value for task in arm for value in task] for arm in (moved, again, base)]
    return distance(flat[0], flat[2], scale) - distance(flat[1], flat[2], scale)


def permutation_p(
    moved: ByTask, again: ByTask, base: ByTask, scale: float | None, *, seed: int, draws: int = 2000
) -> float:
    """One-sided p of `excess` when `moved` and `again` are exchangeable within each task.

    (1 + draws with an excess at least as large) / (1 + draws), so it is never 0.
    """
    observed = excess(moved, again, base, scale)
    random = python_rng(seed, "confirm-permutation")
    at_least = 0
    for _ in range(draws):
        first: list[list[Value]] = []
        second: list[list[Value]] = []
        for one, other in zip(moved, again, strict=True):
            pool = [*one, *other]
            random.shuffle(pool)
            first.append(pool[: len(one)])
            second.append(pool[len(one) :])
        at_least += excess(first, second, base, scale) >= observed - 1e-12
    return (1 + at_least) / (1 + draws)
