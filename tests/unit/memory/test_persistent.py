from __future__ import annotations

import random

from fairmem.memory.persistent import PersistentMap


def test_every_version_keeps_what_it_held_when_it_was_made() -> None:
    rng = random.Random(0)
    version, held = PersistentMap[int, int](), dict[int, int]()
    kept: list[tuple[PersistentMap[int, int], dict[int, int]]] = []
    for step in range(600):
        key = rng.randrange(200)
        if rng.random() < 0.3:
            version = version.without(key)
            held.pop(key, None)
        else:
            version = version.set(key, step)
            held[key] = step
        if step % 50 == 0:
            kept.append((version, dict(held)))
    for each, content in [*kept, (version, held)]:
        assert len(each) == len(content)
        assert sorted(each.values()) == sorted(content.values())
        assert all(each.get(key) == content.get(key) for key in range(-1, 201))


def test_texts_are_keys_too_and_what_collides_is_told_apart() -> None:
    words = PersistentMap[str, str]()
    for number in range(5_000):
        words = words.set(f"w{number}", str(number))
    # crc32("plumless") == crc32("buckeroo"), a known pair.
    words = words.set("plumless", "a").set("buckeroo", "b").without("w17")
    assert (words.get("plumless"), words.get("buckeroo"), words.get("w17"), words.get("w18")) == ("a", "b", None, "18")
    assert len(words) == 5_001
