from __future__ import annotations

import math

from fairmem.credit import combined


def test_penalties_are_subtracted_and_everything_else_is_added() -> None:
    assert combined({"answer": 0.75, "calls": 0.25, "compression_penalty": 0.5}) == 0.5
    assert combined({}) == 0.0


def test_a_part_that_could_not_be_measured_leaves_nothing_to_say() -> None:
    assert math.isnan(combined({"answer": 0.75, "content": None}))


def test_only_the_answers_are_counted_in_another_unit() -> None:
    assert combined({"answer": 0.25, "calls": 0.5, "compression_penalty": 0.5}, answers=4.0) == 1.0
