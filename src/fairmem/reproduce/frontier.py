"""Which memory size is enough: arms as points of size and score, and the knee of what is best at each size.

Size is live entries' tokens as a share of the dialogue's. The front holds every point that no other point beats in both
(a smaller or equal memory with a higher or equal score). With both axes scaled to [0, 1] over the front, the knee is
its point farthest above the chord from its smallest to its largest memory; the smallest memory wins a tie. Where
nothing lies above the chord there is no knee, and every token that is given up costs score: then the largest memory of
the front within `GOAL` stands in its place, or the smallest. Source: Satopaa et al., Finding a "Kneedle" in a Haystack
(ICDCSW 2011), without their smoothing: a front has few points here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

REFERENCE = 1.10
"""Share of the dialogue that the memory of the published run had: 18,151 of 16,449 words (Memory-R2's own log)."""
GOAL = 0.5
"""Share of the dialogue that a memory should need at equal F1."""


class Point(NamedTuple):
    """An arm: its name, mean share of the dialogue, and mean F1."""

    name: str
    share: float
    f1: float


class Frontier(NamedTuple):
    """The front, smallest memory first, its knee or what stands in its place, and whether it has one."""

    front: tuple[Point, ...]
    knee: Point
    bends: bool


def frontier(points: Sequence[Point]) -> Frontier:
    """Front and knee of `points`, of which there is at least one; equal points count once, the first by name.

    Raises:
        ValueError: no points.
    """
    if not points:
        raise ValueError("a frontier needs at least one point")
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.share, -p.f1, p.name)):
        if not front or point.f1 > front[-1].f1:
            front.append(point)
    first, last = front[0], front[-1]

    def above(point: Point) -> float:
        if last.share == first.share:
            return 0.0
        along = (point.share - first.share) / (last.share - first.share)
        return (point.f1 - first.f1) / (last.f1 - first.f1) - along

    # Rounded, so that noise in the last digit does not make a knee.
    knee = max(front, key=lambda p: (round(above(p), 9), -p.share))
    if round(above(knee), 9) > 0:
        return Frontier(tuple(front), knee, True)
    within = [point for point in front if point.share <= GOAL]
    return Frontier(tuple(front), within[-1] if within else first, False)
