"""Simulated steps whose seconds are worked by hand, and what has to hold of any of them."""

from __future__ import annotations

import dataclasses

import pytest

from fairmem.simulate import Cluster, Outcome, Schedule, Times, Workload, knee, play_step

# A decoding step takes 1 s and 0.5 s more per row; every extractor call reads 10 tokens and writes 4, and so on.
TIMES = Times(
    step=1.0,
    row=0.5,
    prefill=0.1,
    batch=3.0,
    client=0.25,
    learn=0.01,
    sync=7.0,
    lengths={"extractor": [(10, 4)], "manager": [(20, 2)], "answerer": [(30, 1)]},
    questions=0.0,
)
ONE = Workload(conversations=1, sessions=1, chunks=1, global_group=1, local_group=2, local_fraction=0.0)


def test_one_branch_is_its_calls_one_after_the_other() -> None:
    # Extractor: 10 * 0.1 + 4 * 1.5 = 7, client 0.25; manager: 20 * 0.1 + 2 * 1.5 = 5, client 0.25.
    found = play_step(TIMES, ONE, Cluster(1))
    assert found.rollout == pytest.approx(12.5)
    assert found.calls == 2 and found.quiz == 0.0 and found.sync == 7.0
    # Rows of (14 + 22) / 2 = 18 tokens, two of them, at 0.01.
    assert found.learn == pytest.approx(0.36)
    assert found.busy == pytest.approx(12.0 / 12.5)


def test_rows_share_the_steps_and_siblings_the_reading_of_their_prompt() -> None:
    # Both extractor calls: one prompt read, 1.0, then 4 steps of 1 + 2 * 0.5: 9. The client handles two replies: 9.5.
    # Both managers: two prompts, 4.0, then 2 steps of 2.0: 17.5, and two replies: 18.
    found = play_step(TIMES, dataclasses.replace(ONE, global_group=2), Cluster(1))
    assert found.rollout == pytest.approx(18.0)


def test_rows_that_do_not_fit_wait_for_those_that_do() -> None:
    # One row at a time: extractors 7 and, its prompt being read again, 14. The first branch's manager is asked at 7.25
    # and waits behind the second extractor: 14 to 19, then the other manager 19 to 24; the client is done at 24.25.
    found = play_step(TIMES, dataclasses.replace(ONE, global_group=2), Cluster(1, rows=1))
    assert found.rollout == pytest.approx(24.25)


def test_a_batch_runs_to_its_end_with_rows_leaving_and_what_comes_late_waits() -> None:
    # Batches cost 3 more. Extractors together: 3 + 1 + 4 * 2 = 12, client 12.5; managers: 3 + 4 + 2 * 2 = 11, and 0.5.
    found = play_step(TIMES, dataclasses.replace(ONE, global_group=2), Cluster(1, discipline="batch"))
    assert found.rollout == pytest.approx(24.0)


def test_the_quiz_asks_every_memory_after_the_rollouts() -> None:
    asked = dataclasses.replace(TIMES, questions=2.0)
    found = play_step(asked, ONE, Cluster(1))
    # Two prompts of 30 tokens: 6.0, one step of 2.0, two replies 0.5; it begins when the client is free.
    assert found.rollout == pytest.approx(12.5) and found.quiz == pytest.approx(8.5)
    assert found.calls == 4


def test_a_rerollout_waits_for_the_memory_it_forks_from() -> None:
    # Without prefill, client and cost per row, on as many workers as calls: extractors end at 4, managers take 2 each.
    free = dataclasses.replace(TIMES, row=0.0, prefill=0.0, client=0.0)
    work = dataclasses.replace(ONE, sessions=3, local_fraction=1.0)
    cluster = Cluster(64, routing="least")
    # Session 3 begins at 4 + 2 * 2 = 8 for the rollout and for both of its rerollouts: all end at 10.
    assert play_step(free, work, cluster).rollout == pytest.approx(10.0)
    # A manager that writes 6 tokens: 4 + 3 * 6.
    slow = dataclasses.replace(free, lengths={**free.lengths, "manager": [(20, 6)]})
    assert play_step(slow, work, cluster).rollout == pytest.approx(22.0)


SPREAD = dataclasses.replace(
    TIMES,
    step=0.01,
    row=0.001,
    prefill=1e-5,
    batch=0.0,
    client=1e-4,
    sync=0.1,
    lengths={"extractor": [(80, 5), (90, 60)], "manager": [(120, 3), (140, 50)], "answerer": [(200, 6)]},
    questions=3.0,
)
WORK = Workload(conversations=2, sessions=6, chunks=2, global_group=3, local_group=2, local_fraction=0.5)


def play(workers: int, schedule: Schedule = "streams", seed: int = 0, **cluster: object) -> Outcome:
    return play_step(SPREAD, WORK, dataclasses.replace(Cluster(workers), **cluster), schedule, seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("schedule", ["streams", "waves"])
@pytest.mark.parametrize("discipline", ["continuous", "batch"])
@pytest.mark.parametrize("routing", ["prompt", "least"])
def test_every_call_is_made_once_and_no_time_is_made_up(schedule: Schedule, discipline: str, routing: str) -> None:
    for workers in (1, 3, 64):
        found = play(workers, schedule, discipline=discipline, routing=routing, rows=8)
        memories = 2 * (3 + 3 * 2)
        assert found.calls == WORK.calls + 3 * memories and WORK.calls == 2 * 2 * 2 * (3 * 6 + 3 * 2)
        assert 0.0 < found.utilisation <= 1.0 and 0.0 < found.busy <= 1.0 + 1e-9
        # Twelve manager calls in a row, of at least three tokens at a step and a row each.
        assert found.rollout > 12 * 3 * 0.011


def test_waiting_for_the_longest_reply_of_a_wave_costs_time() -> None:
    for seed in range(5):
        assert play(4, "waves", seed).rollout > 1.05 * play(4, "streams", seed).rollout


def test_more_workers_make_a_step_shorter_until_its_chains_are_what_is_left() -> None:
    seconds = {workers: play(workers, rows=4).rollout for workers in (1, 2, 4, 64, 512)}
    assert seconds[1] > 1.6 * seconds[2] and seconds[2] > 1.4 * seconds[4]
    assert seconds[64] / seconds[512] < 1.3


def test_one_seed_is_one_outcome_and_another_is_another() -> None:
    assert play(3, seed=1) == play(3, seed=1) != play(3, seed=2)


@pytest.mark.parametrize(
    ("seconds", "last"),
    [
        ({1: 100.0, 2: 50.0, 4: 30.0, 8: 28.0}, 4),  # 2, 1.67, 1.07
        ({1: 100.0, 2: 90.0, 4: 10.0}, 1),
        ({1: 8.0, 2: 4.0, 4: 2.0}, 4),
    ],
)
def test_the_knee_is_the_last_number_of_workers_that_paid(seconds: dict[int, float], last: int) -> None:
    assert knee(seconds) == last
