"""Runs branches side by side without waves: each goes on as soon as its own replies are there.

For policies whose calls need not wait for each other (`ConcurrentPolicy`): all global rollouts and rerollouts are
coroutines of this one scheduler, and one slow reply holds up its own branch alone. What a branch does depends on its
own replies and on the memory it forks from, so the order in which replies come changes nothing but the time.

A role that is played by another kind of policy (a frozen model in this process) is asked in batches of whatever waits.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from fairmem.episodes.executor import (
    Ask,
    AwaitMemory,
    MemoryBoard,
    Result,
    Routine,
    Wave,
    WaveStats,
    resume_waiting,
    run_waves,
    sample_wave,
)
from fairmem.policy import ConcurrentPolicy, Policy, Reply
from fairmem.trace import CallFailure, Role

_SLICES = 20
"""Parts of equal time that a run is cut into for its statistics: the fullest tells the engine's speed."""


@dataclass(slots=True)
class _Asked:
    """Calls of one branch that are under way: `missing` of them have no reply yet."""

    replies: list[Reply | None]
    missing: int


@dataclass(slots=True)
class _Clock:
    """When replies came, and how deep each branch was: for the statistics."""

    started: float = field(default_factory=time.perf_counter)
    done: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    depth: dict[str, int] = field(default_factory=dict[str, int])

    def heard(self, reply: Reply) -> None:
        tokens = 0 if isinstance(reply, CallFailure) else len(reply.ids)
        self.done.append((time.perf_counter() - self.started, tokens))

    def stats(self) -> WaveStats:
        """Slices of equal time, as if each were a wave."""
        if not self.done:
            return WaveStats([], 0)
        length = max(self.done[-1][0], 1e-9) / _SLICES
        calls, tokens = [0] * _SLICES, [0] * _SLICES
        for moment, count in self.done:
            place = min(int(moment / length), _SLICES - 1)
            calls[place] += 1
            tokens[place] += count
        return WaveStats(
            [Wave(c, t, length) for c, t in zip(calls, tokens, strict=True)], max(self.depth.values(), default=0)
        )


def run_branches(
    routines: Mapping[str, Routine[Result]], board: MemoryBoard, policies: Mapping[Role, Policy]
) -> tuple[dict[str, Result], WaveStats]:
    """Run all `routines` to their end: in waves, or each at its own pace where a policy can.

    Raises:
        RuntimeError: branches wait for a memory that no running branch can publish (a fault in the plan).
    """
    if not any(isinstance(policy, ConcurrentPolicy) for policy in policies.values()):
        return run_waves(routines, board, policies)
    return _Scheduler(routines, board, policies).run()


class _Scheduler:
    """The state of one `run_branches`."""

    def __init__(
        self, routines: Mapping[str, Routine[Any]], board: MemoryBoard, policies: Mapping[Role, Policy]
    ) -> None:
        self._routines, self._board, self._policies = routines, board, policies
        self._results: dict[str, Any] = {}
        self._waiting: dict[str, AwaitMemory] = {}
        self._asked: dict[str, _Asked] = {}
        self._clock = _Clock()
        self._heard: queue.SimpleQueue[tuple[str, int, Future[Reply]]] = queue.SimpleQueue()

    def run(self) -> tuple[dict[str, Any], WaveStats]:
        """Until every branch has ended."""
        inbox: dict[str, Any] = dict.fromkeys(self._routines)
        batch: dict[str, Ask] = {}
        while inbox or self._asked or batch or self._waiting:
            progressed = bool(inbox)
            batch |= self._advance(inbox)
            if self._asked and (self._ready() or not batch):
                inbox = self._listen()
            elif batch:
                inbox, batch = self._together(batch), {}
            elif self._waiting and not progressed:
                key, want = next(iter(self._waiting.items()))
                raise RuntimeError(
                    f"branch {key} waits for the memory of {want.branch} at session {want.session}, "
                    "which no branch makes"
                )
            resume_waiting(self._waiting, inbox, self._board)
        return {key: self._results[key] for key in self._routines}, self._clock.stats()

    def _advance(self, inbox: dict[str, Any]) -> dict[str, Ask]:
        """Let every branch in `inbox` go on to its next question; gives back those for policies that answer batches."""
        batch: dict[str, Ask] = {}
        asks: dict[str, Ask] = {}
        while inbox:
            key = next(iter(inbox))
            try:
                step = self._routines[key].send(inbox.pop(key))
            except StopIteration as end:
                self._results[key] = end.value
            else:
                if isinstance(step, AwaitMemory):
                    self._waiting[key] = step
                elif not step.requests:
                    inbox[key] = []
                elif isinstance(self._policies[step.role], ConcurrentPolicy):
                    asks[key] = step
                else:
                    batch[key] = step
            resume_waiting(self._waiting, inbox, self._board)
        self._submit(asks)
        return batch

    def _submit(self, asks: Mapping[str, Ask]) -> None:
        """Send the questions of all branches that are ready in one go, so that equal prompts can be put together."""
        places: dict[int, tuple[ConcurrentPolicy, list[tuple[str, int, Any]]]] = {}
        for key, ask in asks.items():
            policy = cast(ConcurrentPolicy, self._policies[ask.role])
            self._asked[key] = _Asked([None] * len(ask.requests), len(ask.requests))
            self._clock.depth[key] = self._clock.depth.get(key, 0) + 1
            waiting = places.setdefault(id(policy), (policy, []))[1]
            waiting += [(key, number, request) for number, request in enumerate(ask.requests)]
        for policy, waiting in places.values():
            futures = policy.submit([request for _, _, request in waiting])
            for (key, number, _), future in zip(waiting, futures, strict=True):
                future.add_done_callback(partial(self._tell, key, number))

    def _tell(self, key: str, number: int, future: Future[Reply]) -> None:
        # Called where the reply came in; the branch goes on in the scheduler's own thread.
        self._heard.put((key, number, future))

    def _ready(self) -> bool:
        return not self._heard.empty()

    def _listen(self) -> dict[str, Any]:
        """Wait for a reply, take what has come besides, and name the branches that have all of theirs."""
        complete: dict[str, Any] = {}
        first = True
        while first or not self._heard.empty():
            key, number, future = self._heard.get()
            first = False
            reply = future.result()
            self._clock.heard(reply)
            asked = self._asked[key]
            asked.replies[number] = reply
            asked.missing -= 1
            if not asked.missing:
                complete[key] = asked.replies
                del self._asked[key]
        return complete

    def _together(self, asks: Mapping[str, Ask]) -> dict[str, Sequence[Reply]]:
        """One batch per policy that answers batches."""
        for key in asks:
            self._clock.depth[key] = self._clock.depth.get(key, 0) + 1
        replies = sample_wave(asks, self._policies, WaveStats())
        for found in replies.values():
            for reply in found:
                self._clock.heard(reply)
        return dict(replies)
