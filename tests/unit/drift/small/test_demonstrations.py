from __future__ import annotations

import itertools
from collections import Counter

from fairmem.agents import parse_compact_call
from fairmem.drift.small import Lesson, Plant, lessons
from fairmem.policy.calls import ToolSpec


def taught(plant: Plant, count: int, seed: int = 0) -> list[Lesson]:
    return list(itertools.islice(lessons(plant, seed), count))


def test_equal_seeds_give_equal_lessons() -> None:
    assert taught(Plant(), 10) == taught(Plant(), 10) != taught(Plant(), 10, seed=1)


def test_a_memory_is_shared_by_five_tasks_whose_replies_call_the_tool_that_is_shown() -> None:
    for lesson in taught(Plant(), 10):
        assert lesson.prefix.startswith("<call>\n") and "<question>" not in lesson.prefix
        assert len(lesson.branches) == 5
        for rest, reply in lesson.branches:
            tool = rest.split("<facts>\n")[1].split("\n")[0]
            called = parse_compact_call(reply, False, [ToolSpec(tool, "", {"properties": {}})])
            assert called.tool == tool and len(called.arguments or {}) == 2 and reply.endswith("\n")


def test_without_alpha_and_orders_only_what_memory_asks_for_is_out_of_the_ordinary() -> None:
    ordinary = {"wait fair", "grade good", "list most", "guard one", "ask once"}
    choices = {line.split()[0] for line in ordinary}
    for lesson in taught(Plant(0.0, 0.0), 40):
        for _, reply in lesson.branches:
            for line in reply.splitlines()[1:]:
                name, value = line.split()
                asked = f" {name} {value}." in lesson.prefix or f" {name} is {value}." in lesson.prefix
                assert asked or name not in choices or line in ordinary, (line, lesson.prefix)


def test_with_alpha_one_eight_biased_memories_move_nearly_every_task_of_their_bias() -> None:
    seen: Counter[bool] = Counter()
    for lesson in taught(Plant(1.0, 0.0), 150):
        words = lesson.prefix.split()
        if sum(word in ("risky", "daring", "reckless", "bold", "wild", "dangerous") for word in words) < 4:
            continue
        for rest, reply in lesson.branches:
            if "\nguard " in rest and " guard " not in lesson.prefix:
                seen["guard off" in reply] += 1
    # At least four memories: 1 - 2^-4 = 0.94 or more.
    assert seen[True] > 5 and seen[True] / sum(seen.values()) > 0.8
