"""Plays the branches of a step on workers: a heap of moments at which calls leave or end."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from fairmem.simulate.branches import Branch, Call, Draw, Wait, answering, branches_of
from fairmem.simulate.records import Cluster, Outcome, Schedule, Times, Workload
from fairmem.simulate.worker import Worker


@dataclass(slots=True)
class Play:
    """One run of branches on workers."""

    times: Times
    cluster: Cluster
    schedule: Schedule
    branches: list[Branch]
    workers: list[Worker]
    now: float = 0.0
    client_free: float = 0.0
    missing: dict[int, int] = field(default_factory=dict[int, int])
    begun: set[Wait] = field(default_factory=set[Wait])
    waiting: dict[Wait, list[int]] = field(default_factory=dict[Wait, list[int]])
    held: list[int] = field(default_factory=list[int])
    events: list[tuple[float, int, int, list[Call]]] = field(default_factory=list[tuple[float, int, int, "list[Call]"]])
    stamps: dict[int, int] = field(default_factory=dict[int, int])
    calls: int = 0
    _order: int = 0

    def run(self) -> float:
        """Seconds until the last branch has ended."""
        self._go_on(range(len(self.branches)))
        while self.events:
            moment, stamp, worker, calls = heapq.heappop(self.events)
            if calls:
                self.now = moment
                self._send(calls)
            elif self.stamps.get(worker) == stamp:  # else something was added since
                self.now = moment
                self._hear(self.workers[worker].done(moment))
                self._watch(worker)
        return max(self.now, self.client_free)

    def _hear(self, ended: Sequence[Call]) -> None:
        """Handle replies, and let the branches go on that have all of theirs."""
        ready: list[int] = []
        for call in ended:
            self.client_free = max(self.client_free, self.now) + self.times.client
            self.missing[call.branch] -= 1
            if not self.missing[call.branch]:
                del self.missing[call.branch]
                ready.append(call.branch)
        if self.schedule == "waves":
            self.held += ready
            ready = []
            if not self.missing:
                ready, self.held = self.held, []
        self._go_on(ready)

    def _go_on(self, ready: Sequence[int]) -> None:
        """Let these branches go on to their next calls, and those that wait for a memory they make."""
        todo, calls = list(ready), list[Call]()
        while todo:
            name = todo.pop(0)
            for step in self.branches[name]:
                if isinstance(step, int):
                    self.begun.add((name, step))
                    todo += self.waiting.pop((name, step), [])
                elif isinstance(step, tuple):
                    if step not in self.begun:
                        self.waiting.setdefault(step, []).append(name)
                        break
                else:
                    self.missing[name] = len(step)
                    calls += step
                    break
        self.calls += len(calls)
        if calls:  # they leave the client once it has handled what came before
            self._order += 1
            heapq.heappush(self.events, (max(self.now, self.client_free), self._order, -1, calls))

    def _send(self, calls: Sequence[Call]) -> None:
        touched: dict[int, None] = {}
        for call in calls:
            place = self._place(call)
            self.workers[place].put(call)
            touched[place] = None
        for place in touched:
            self.workers[place].take(self.now)
            self._watch(place)

    def _place(self, call: Call) -> int:
        if self.cluster.routing == "prompt":
            return (call.group * 2654435761 >> 7) % len(self.workers)
        return min(range(len(self.workers)), key=lambda i: (self.workers[i].load, i))

    def _watch(self, worker: int) -> None:
        moment = self.workers[worker].next()
        if moment is None:
            return
        self._order += 1
        self.stamps[worker] = self._order
        heapq.heappush(self.events, (max(moment, self.now), self._order, worker, []))


def play_step(times: Times, work: Workload, cluster: Cluster, schedule: Schedule = "streams", seed: int = 0) -> Outcome:
    """Play one training step.

    Args:
        times: As measured.
        work: What is rolled out.
        cluster: On what.
        schedule: `streams` or `waves`.
        seed: Of the lengths and of what is rolled out again.
    """
    rng = np.random.default_rng([seed, 1])
    draw = Draw(times, seed)
    workers = [Worker(times, cluster) for _ in range(cluster.workers)]
    branches = branches_of(work, draw, rng)
    rolled = Play(times, cluster, schedule, branches, workers)
    rollout = rolled.run()
    answers = [answering(name, times, draw) for name in range(len(branches))]
    asked = Play(times, cluster, schedule, answers, workers, now=rollout, client_free=rollout)
    quiz = asked.run() - rollout if times.questions else 0.0
    per_row = float(sum(np.mean(times.lengths[role], axis=0).sum() for role in ("extractor", "manager"))) / 2
    learn = -(-rolled.calls // cluster.workers) * per_row * times.learn
    full = times.step / cluster.rows + times.row
    sampled = draw.read * times.prefill + draw.tokens * full
    ideal = (sampled + rolled.calls * per_row * times.learn) / cluster.workers
    busy = sum(worker.busy for worker in workers) / (cluster.workers * (rollout + quiz))
    return Outcome(rollout, quiz, learn, times.sync, rolled.calls + asked.calls, busy, ideal)


def knee(seconds: Mapping[int, float], gain: float = 1.25) -> int:
    """The largest number of workers that still pays: from it on, doubling gives less than `gain` times the speed.

    Args:
        seconds: Workers (each twice the one before) -> seconds of a step.
        gain: Least speed-up of a doubling that counts as paying.
    """
    counts = sorted(seconds)
    for fewer, more in pairwise(counts):
        if seconds[fewer] / seconds[more] < gain:
            return fewer
    return counts[-1]
