"""The window of one server and the order of its queue, without a clock and without a network."""

from __future__ import annotations

from fairmem.policy.lane import Lane


def filled(most: int, *jobs: tuple[tuple[int, ...], str]) -> Lane[str]:
    lane: Lane[str] = Lane("http://x", most)
    for prompt, job in jobs:
        lane.put(prompt, job)
    return lane


def taken(lane: Lane[str], now: float = 0.0) -> list[str]:
    jobs: list[str] = []
    while (job := lane.take(now)) is not None:
        jobs.append(job)
    return jobs


def test_jobs_with_one_prompt_go_out_one_after_the_other_in_order_of_the_first() -> None:
    lane = filled(9, ((1, 2), "a"), ((3,), "b"), ((1, 2), "c"), ((3,), "d"), ((1, 2), "e"))
    assert taken(lane) == ["a", "c", "e", "b", "d"]


def test_no_more_are_taken_than_the_limit_until_one_is_answered() -> None:
    lane = filled(2, ((1,), "a"), ((1,), "b"), ((1,), "c"))
    assert taken(lane) == ["a", "b"] and lane.waiting == 1
    lane.succeeded()
    assert taken(lane) == ["c"] and lane.in_flight == 2


def test_a_refusal_halves_the_limit_and_stops_sending_until_the_server_says() -> None:
    lane = filled(8, *(((n,), str(n)) for n in range(20)))
    assert len(taken(lane, now=1.0)) == 8
    lane.refused(now=2.0, sent=1.0, wait=3.0)
    assert lane.limit == 4.0 and taken(lane, now=4.9) == []
    for _ in range(7):
        lane.succeeded()
    # 4 + 1/4 = 4.25, + 1/4.25 = 4.485, ... seven successes lift it by less than two.
    assert 5.0 < lane.limit < 6.0
    assert len(taken(lane, now=5.0)) == 5


def test_refusals_of_requests_that_were_already_out_cut_the_limit_once() -> None:
    lane = filled(8, *(((n,), str(n)) for n in range(8)))
    taken(lane, now=1.0)
    for _ in range(5):
        lane.refused(now=2.0, sent=1.0, wait=0.0)
    assert lane.limit == 4.0 and lane.refusals == 5
    lane.refused(now=3.0, sent=2.5, wait=0.0)
    assert lane.limit == 2.0


def test_the_limit_never_falls_below_one_nor_rises_above_the_most() -> None:
    lane = filled(2, ((1,), "a"))
    taken(lane)
    for second in range(5):
        lane.in_flight += 1
        lane.refused(now=second + 0.5, sent=float(second), wait=0.0)
    assert lane.limit == 1.0
    for _ in range(20):
        lane.in_flight += 1
        lane.succeeded()
    assert lane.limit == 2.0


def test_a_job_that_comes_back_goes_before_everything() -> None:
    lane = filled(1, ((1,), "a"), ((2,), "b"))
    first = lane.take(0.0)
    assert first == "a"
    lane.failed()
    lane.put((1,), "a", first=True)
    assert lane.take(0.0) == "a"
