"""A worker that decodes the rows in flight together, one token of each per decoding step."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from fairmem.simulate.branches import Call
from fairmem.simulate.records import Cluster, Times


class Worker:
    """One worker. `_progress` is how many tokens a row that is in flight from the start would have by now."""

    def __init__(self, times: Times, cluster: Cluster) -> None:
        self._times, self._cluster = times, cluster
        self._rows: list[tuple[float, int, Call]] = []
        self._queue: list[Call] = []
        self._progress = self._at = self._stall = self._ends = 0.0
        self._order = 0
        self._prompts: dict[int, int] = {}
        self.busy = 0.0

    @property
    def load(self) -> int:
        """Calls in flight or waiting."""
        return len(self._rows) + len(self._queue)

    def put(self, call: Call) -> None:
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

    def done(self, now: float) -> list[Call]:
        """Calls that have ended by `now`."""
        self._advance(now)
        ended: list[Call] = []
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
