"""A discrete-event model of one training step on many workers: where does the schedule stop scaling?

It plays what `episodes` plays (branches with their extractor calls side by side, manager calls one after the other,
forks that wait for a memory), with lengths drawn from measured ones, on workers whose speed was measured. It knows no
model and no text. What limits a step comes out of it: chains of calls that depend on each other, waves that wait for
their longest reply, workers that wait for rows, the one process that plays all branches, learning and the sending of
weights, which all workers wait for.

    worker    rows b in flight are decoded together, a token of each in `step + row * b` seconds; a prompt token costs
              `prefill`, distinct prompts of a batch once. `continuous`: rows join and leave at any time (vLLM; each
              progresses at the same rate). `batch`: what waits is taken together and runs to its end (token_server)
    client    one process handles replies one after the other, `client` seconds each
    waves     all branches wait until every reply of a wave is there; `streams`: each goes on with its own

Simplified: a prefill stalls the rows beside it; no network time; memory of a worker limits rows only; learning is data
parallel over all workers with no cost of communication but `sync`. Own event loop: a heap of moments.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

Schedule = Literal["streams", "waves"]
Discipline = Literal["continuous", "batch"]
Routing = Literal["prompt", "least"]

Lengths: TypeAlias = Sequence[tuple[int, int]]
"""(prompt tokens, sampled tokens) of measured calls."""


@dataclass(frozen=True, slots=True)
class Times:
    """What was measured, in seconds.

    Attributes:
        step: Per decoding step of a worker, whatever is in flight.
        row: More per row in flight.
        prefill: Per token of a prompt.
        batch: Per batch taken (`batch` discipline: the round trip and the wait for more).
        client: Per reply, in the process that plays the branches.
        learn: Per token of a row that is learned from, on one worker.
        sync: Per step, for weights to reach the workers.
        lengths: Role -> lengths of its calls.
        questions: Answerer calls per memory that is asked.
    """

    step: float
    row: float
    prefill: float
    batch: float
    client: float
    learn: float
    sync: float
    lengths: Mapping[str, Lengths]
    questions: float


@dataclass(frozen=True, slots=True)
class Workload:
    """One training step: what is rolled out."""

    conversations: int
    sessions: int
    chunks: int
    global_group: int
    local_group: int
    local_fraction: float

    @property
    def calls(self) -> int:
        """Calls of extractor and manager."""
        local = int(self.local_fraction * self.sessions + 0.5) * self.local_group
        return 2 * self.chunks * self.conversations * (self.global_group * self.sessions + local)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What it is played on: `rows` is the most a worker has in flight."""

    workers: int
    rows: int = 256
    discipline: Discipline = "continuous"
    routing: Routing = "prompt"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds of the parts of a step, and what became of the workers' time.

    Attributes:
        rollout: Until the last branch has ended.
        quiz: The answerer's calls after it.
        learn: The update.
        sync: Weights on their way.
        calls: Calls in all.
        busy: Share of worker seconds of rollout and quiz with a row in flight.
        ideal: Seconds of the step if all workers were full all the time, every distinct prompt was read once, and
            nothing was waited for.
    """

    rollout: float
    quiz: float
    learn: float
    sync: float
    calls: int
    busy: float
    ideal: float

    @property
    def seconds(self) -> float:
        """Of the step."""
        return self.rollout + self.quiz + self.learn + self.sync

    @property
    def utilisation(self) -> float:
        """The ideal step's seconds over this one's: 1 where adding workers still pays in full."""
        return self.ideal / self.seconds


@dataclass(slots=True, eq=False)
class _Call:
    branch: int
    group: int
    prompt: int
    tokens: int


_Wait: TypeAlias = tuple[int, int]
"""(branch, session) whose memory at the session's start is waited for."""
_Branch: TypeAlias = Generator["list[_Call] | _Wait | int", None, None]
"""Yields the calls it makes at once, what it waits for, or a session that has begun (an int)."""


class _Draw:
    """Lengths of calls, drawn from measured ones; calls of one group share a prompt.

    `tokens` counts those sampled, `read` those of distinct prompts.
    """

    def __init__(self, times: Times, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._times = times
        self._groups = 0
        self._prompts: dict[tuple[object, ...], tuple[int, int]] = {}
        self.tokens = self.read = 0

    def call(self, branch: int, role: str, shared: tuple[object, ...] | None = None) -> _Call:
        lengths = self._times.lengths[role]
        prompt, tokens = lengths[int(self._rng.integers(len(lengths)))]
        self._groups += 1
        group, known = self._groups, False
        if shared is not None:
            known = (role, *shared) in self._prompts
            group, prompt = self._prompts.setdefault((role, *shared), (group, prompt))
        call = _Call(branch, group, prompt, max(1, tokens))
        self.tokens += call.tokens
        self.read += 0 if known else prompt
        return call


def _branches(work: Workload, draw: _Draw, rng: np.random.Generator) -> list[_Branch]:
    """The branches of a step, the global ones of a conversation before its local ones."""
    made: list[_Branch] = []
    for talk in range(work.conversations):
        first = len(made)
        for _ in range(work.global_group):
            made.append(_global(len(made), talk, work, draw))
        count = int(work.local_fraction * work.sessions + 0.5)
        for session in sorted(rng.permutation(work.sessions)[:count]):
            source = first + int(rng.integers(work.global_group))
            made += [_local(len(made) + j, talk, int(session), source, work, draw) for j in range(work.local_group)]
    return made


def _global(name: int, talk: int, work: Workload, draw: _Draw) -> _Branch:
    chunks = [(session, chunk) for session in range(work.sessions) for chunk in range(work.chunks)]
    yield [draw.call(name, "extractor", (talk, *place)) for place in chunks]
    for session, chunk in chunks:
        if chunk == 0:
            yield session
        yield [draw.call(name, "manager")]


def _local(name: int, talk: int, session: int, source: int, work: Workload, draw: _Draw) -> _Branch:
    yield [draw.call(name, "extractor", (talk, session, chunk)) for chunk in range(work.chunks)]
    yield (source, session)
    for _ in range(work.chunks):
        yield [draw.call(name, "manager")]


class _Worker:
    """One worker. `_progress` is how many tokens a row that is in flight from the start would have by now."""

    def __init__(self, times: Times, cluster: Cluster) -> None:
        self._times, self._cluster = times, cluster
        self._rows: list[tuple[float, int, _Call]] = []
        self._queue: list[_Call] = []
        self._progress = self._at = self._stall = self._ends = 0.0
        self._order = 0
        self._prompts: dict[int, int] = {}
        self.busy = 0.0

    @property
    def load(self) -> int:
        return len(self._rows) + len(self._queue)

    def put(self, call: _Call) -> None:
        """Queue `call`; `take` begins with it."""
        self._queue.append(call)

    def take(self, now: float) -> None:
        """Begin with what waits, as far as there is room."""
        self._advance(now)
        self._admit(now)

    def next(self) -> float | None:
        """When the next call ends, if nothing is added before."""
        if not self._rows:
            return None
        if self._cluster.discipline == "batch":
            return self._ends
        pace = self._times.step + self._times.row * len(self._rows)
        return self._at + self._stall + max(0.0, self._rows[0][0] - self._progress) * pace

    def done(self, now: float) -> list[_Call]:
        """Calls that have ended by `now`."""
        self._advance(now)
        ended: list[_Call] = []
        while self._rows and (self._cluster.discipline == "batch" or self._rows[0][0] <= self._progress + 1e-9):
            ended.append(heapq.heappop(self._rows)[2])
        for call in ended:
            self._prompts[call.group] -= 1
            if not self._prompts[call.group]:
                del self._prompts[call.group]
        self._admit(now)
        return ended

    def _advance(self, now: float) -> None:
        passed = now - self._at
        self._at = now
        if not self._rows:
            return
        self.busy += passed
        stalled = min(passed, self._stall)
        self._stall -= stalled
        self._progress += (passed - stalled) / (self._times.step + self._times.row * len(self._rows))

    def _admit(self, now: float) -> None:
        """Take from the queue what there is room for; in batches only once the last one is out."""
        if not self._queue or (self._cluster.discipline == "batch" and self._rows):
            return
        room = self._cluster.rows - len(self._rows)
        taken, self._queue = self._queue[:room], self._queue[room:]
        prefill = 0.0
        for call in taken:
            if not self._prompts.get(call.group):
                prefill += call.prompt * self._times.prefill
            self._prompts[call.group] = self._prompts.get(call.group, 0) + 1
            self._order += 1
            heapq.heappush(self._rows, (self._progress + call.tokens, self._order, call))
        if self._cluster.discipline == "batch":
            self._ends = now + self._times.batch + prefill + self._decode(sorted(call.tokens for call in taken))
        else:
            self._stall += prefill

    def _decode(self, tokens: Sequence[int]) -> float:
        """Seconds of a batch of replies, shortest first, that runs to its end with rows leaving."""
        seconds, before = 0.0, 0
        for place, count in enumerate(tokens):
            seconds += (count - before) * (self._times.step + self._times.row * (len(tokens) - place))
            before = count
        return seconds


@dataclass(slots=True)
class _Play:
    """One run of branches on workers."""

    times: Times
    cluster: Cluster
    schedule: Schedule
    branches: list[_Branch]
    workers: list[_Worker]
    now: float = 0.0
    client_free: float = 0.0
    missing: dict[int, int] = field(default_factory=dict[int, int])
    begun: set[_Wait] = field(default_factory=set[_Wait])
    waiting: dict[_Wait, list[int]] = field(default_factory=dict[_Wait, list[int]])
    held: list[int] = field(default_factory=list[int])
    events: list[tuple[float, int, int, list[_Call]]] = field(
        default_factory=list[tuple[float, int, int, "list[_Call]"]]
    )
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

    def _hear(self, ended: Sequence[_Call]) -> None:
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
        todo, calls = list(ready), list[_Call]()
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

    def _send(self, calls: Sequence[_Call]) -> None:
        touched: dict[int, None] = {}
        for call in calls:
            place = self._place(call)
            self.workers[place].put(call)
            touched[place] = None
        for place in touched:
            self.workers[place].take(self.now)
            self._watch(place)

    def _place(self, call: _Call) -> int:
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
    draw = _Draw(times, seed)
    workers = [_Worker(times, cluster) for _ in range(cluster.workers)]
    branches = _branches(work, draw, rng)
    rolled = _Play(times, cluster, schedule, branches, workers)
    rollout = rolled.run()
    answers = [_answering(name, times, draw) for name in range(len(branches))]
    asked = _Play(times, cluster, schedule, answers, workers, now=rollout, client_free=rollout)
    quiz = asked.run() - rollout if times.questions else 0.0
    per_row = float(sum(np.mean(times.lengths[role], axis=0).sum() for role in ("extractor", "manager"))) / 2
    learn = -(-rolled.calls // cluster.workers) * per_row * times.learn
    full = times.step / cluster.rows + times.row
    sampled = draw.read * times.prefill + draw.tokens * full
    ideal = (sampled + rolled.calls * per_row * times.learn) / cluster.workers
    busy = sum(worker.busy for worker in workers) / (cluster.workers * (rollout + quiz))
    return Outcome(rollout, quiz, learn, times.sync, rolled.calls + asked.calls, busy, ideal)


def _answering(name: int, times: Times, draw: _Draw) -> _Branch:
    count = int(times.questions + 0.5)
    if count:
        yield [draw.call(name, "answerer") for _ in range(count)]


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
