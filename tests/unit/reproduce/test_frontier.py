"""Front and knee of memory size and score, drawn by hand."""

from __future__ import annotations

import pytest

from fairmem.reproduce import Point, frontier

SMALL, MIDDLE, LARGE = Point("small", 0.2, 0.4), Point("middle", 0.4, 0.58), Point("large", 1.0, 0.6)


def test_the_knee_is_farthest_above_the_chord() -> None:
    # Scaled: (0, 0), (0.25, 0.9), (1, 1): the middle one lies 0.65 above.
    found = frontier([LARGE, SMALL, MIDDLE])
    assert found.front == (SMALL, MIDDLE, LARGE) and found.knee == MIDDLE and found.bends


def test_what_another_beats_in_both_is_not_on_the_front() -> None:
    worse, same_size = Point("worse", 0.5, 0.57), Point("same_size", 0.4, 0.5)
    assert frontier([SMALL, MIDDLE, LARGE, worse, same_size]).front == (SMALL, MIDDLE, LARGE)
    assert frontier([Point("smallest and best", 0.1, 0.9), MIDDLE, LARGE]).front[1:] == ()


def test_where_nothing_lies_above_the_chord_the_largest_within_the_goal_stands_for_the_knee() -> None:
    assert frontier([SMALL, LARGE]).knee == SMALL and frontier([LARGE]).knee == LARGE
    straight = Point("straight", 0.6, 0.5)  # on the chord
    assert frontier([SMALL, straight, LARGE]).knee == SMALL
    below = Point("below", 0.6, 0.45)
    assert frontier([SMALL, below, LARGE]).knee == SMALL and not frontier([SMALL, below, LARGE]).bends
    half = Point("half", 0.5, 0.45)  # the chord is at 0.475 there, and the goal is half of the dialogue
    found = frontier([SMALL, half, LARGE])
    assert found.front == (SMALL, half, LARGE) and found.knee == half and not found.bends


def test_no_points_have_no_front() -> None:
    with pytest.raises(ValueError, match="at least one"):
        frontier([])
