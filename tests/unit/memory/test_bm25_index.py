from __future__ import annotations

import random
import time

from fairmem.memory import Bm25Index, bm25_scores

WORDS = [f"w{number}x" for number in range(60)]


def _expected(texts: dict[int, str], query: str, k: int) -> list[tuple[int, float]]:
    scores = bm25_scores(list(texts.values()), query).scores
    hits = [(id, round(float(score), 6)) for id, score in zip(texts, scores, strict=True) if score > 0]
    return sorted(hits, key=lambda hit: (-hit[1], -hit[0]))[:k]


def test_a_changed_index_scores_as_bm25_over_the_texts_it_holds_now() -> None:
    rng = random.Random(1)
    index, texts = Bm25Index(), dict[int, str]()
    for step in range(400):
        id = rng.randrange(1, 120)
        if rng.random() < 0.3:
            index = index.removed(id)
            texts.pop(id, None)
        else:
            texts[id] = " ".join(rng.choice(WORDS[: 5 if rng.random() < 0.3 else 60]) for _ in range(rng.randint(1, 9)))
            index = index.added(id, texts[id])
        if step % 8 == 0 and texts:
            query = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 4)))
            assert index.search(query, 5) == _expected(texts, query, 5)
    assert len(index) == len(texts)


def test_a_fork_does_not_see_what_the_other_adds() -> None:
    base = Bm25Index().added(1, "Ana lives in Paris.")
    left, right = base.added(2, "Bo lives in Paris."), base.added(2, "Bo has a car.")
    assert [id for id, _ in left.search("Paris", 5)] == [2, 1]  # equal scores: the newest first
    assert [id for id, _ in right.search("Paris", 5)] == [1]
    assert [id for id, _ in base.search("Bo", 5)] == []


def test_of_a_common_term_the_newest_entries_are_looked_at() -> None:
    index = Bm25Index()
    for id in range(1, 11):
        index = index.added(id, "common")
    assert [id for id, _ in index.search("common", 20, reach=3)] == [10, 9, 8]


def test_a_search_costs_no_more_in_a_store_ten_times_as_large() -> None:
    rng = random.Random(2)

    def seconds(size: int) -> float:
        index = Bm25Index()
        for id in range(1, size + 1):
            index = index.added(id, f"common w{rng.randrange(size)} w{rng.randrange(size)}")
        started = time.perf_counter()
        for _ in range(30):
            index.search(f"common w{rng.randrange(size)}", 20)
        return time.perf_counter() - started

    assert seconds(20_000) < 5 * seconds(2_000)  # a scan of all entries would take ten times as long
