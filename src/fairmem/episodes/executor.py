"""Runs many branches at once in waves: every branch says what it wants to ask, all questions go out in one batch.

A branch is a generator. It yields `Ask` (model calls, answered with a list of replies) or `AwaitMemory`
(answered with the memory another branch had at the start of a session). One wave advances every branch to
its next `Ask` and samples all calls together, so global rollouts and local rerollouts share batches, and the
number of sequential generate calls is that of the longest branch, not the sum.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

from fairmem.memory import Memory
from fairmem.policy import Policy, Reply, SampleRequest
from fairmem.trace import CallFailure, Role


@dataclass(frozen=True, slots=True)
class Ask:
    """Model calls of one role; the branch is resumed with one reply per request, in order."""

    role: Role
    requests: tuple[SampleRequest, ...]


@dataclass(frozen=True, slots=True)
class AwaitMemory:
    """Wait for the memory that `branch` had at the start of `session` (or the failure that ended it before)."""

    branch: str
    session: int


Result = TypeVar("Result")
Routine: TypeAlias = Generator[Ask | AwaitMemory, Any, Result]


class MemoryBoard:
    """Where branches publish the memory they had at the start of each session, for others to fork from.

    Banks are immutable, so a fork is a reference; nothing is copied.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Memory | CallFailure] = {}

    def publish(self, branch: str, session: int, memory: Memory | CallFailure) -> None:
        """Make `memory` known as the state of `branch` at the start of `session`."""
        self._known[branch, session] = memory

    def get(self, want: AwaitMemory) -> Memory | CallFailure | None:
        """What was published for `want`, or None while nothing is."""
        return self._known.get((want.branch, want.session))


class Wave(NamedTuple):
    """One batch: calls in it, tokens sampled, seconds it took."""

    calls: int
    tokens: int
    seconds: float


@dataclass(slots=True)
class WaveStats:
    """What a run of waves cost; a wave is one sequential `sample` call of one policy.

    Of branches that run at their own pace, `each` holds slices of equal time, and `depth` the most calls that one
    branch makes after one another.
    """

    each: list[Wave] = field(default_factory=list)
    depth: int | None = None

    @property
    def waves(self) -> int:
        """Sequential sample calls."""
        return len(self.each) if self.depth is None else self.depth

    @property
    def calls(self) -> int:
        """Model calls in all waves."""
        return sum(wave.calls for wave in self.each)

    @property
    def tokens(self) -> int:
        """Sampled tokens, where the policy tells them."""
        return sum(wave.tokens for wave in self.each)

    @property
    def seconds(self) -> float:
        """Seconds inside the policies."""
        return sum(wave.seconds for wave in self.each)

    @property
    def peak(self) -> float | None:
        """Tokens per second of the fullest wave: what the engine does when its batch is full; None without tokens."""
        fullest = max(self.each, key=lambda wave: wave.calls, default=None)
        return fullest.tokens / fullest.seconds if fullest is not None and fullest.tokens and fullest.seconds else None


def run_waves(
    routines: Mapping[str, Routine[Result]], board: MemoryBoard, policies: Mapping[Role, Policy]
) -> tuple[dict[str, Result], WaveStats]:
    """Run all `routines` to their end; returns their results by key (in the order given) and the cost.

    Calls of different roles that share one policy go out in the same batch.

    Raises:
        RuntimeError: branches wait for a memory that no running branch can publish (a fault in the plan).
    """
    stats = WaveStats()
    results: dict[str, Result] = {}
    waiting: dict[str, AwaitMemory] = {}
    inbox: dict[str, Any] = dict.fromkeys(routines)
    while inbox or waiting:
        asks: dict[str, Ask] = {}
        progressed = bool(inbox)
        while inbox:
            key, value = next(iter(inbox.items()))
            del inbox[key]
            try:
                step = routines[key].send(value)
            except StopIteration as end:
                results[key] = end.value
                continue
            if isinstance(step, Ask):
                asks[key] = step
            else:
                waiting[key] = step
            resume_waiting(waiting, inbox, board)
        resume_waiting(waiting, inbox, board)
        if asks:
            inbox.update(sample_wave(asks, policies, stats))
        elif waiting and not inbox and not progressed:
            key, want = next(iter(waiting.items()))
            raise RuntimeError(
                f"branch {key} waits for the memory of {want.branch} at session {want.session}, which no branch makes"
            )
    return {key: results[key] for key in routines}, stats


def resume_waiting(waiting: dict[str, AwaitMemory], inbox: dict[str, Any], board: MemoryBoard) -> None:
    """Move to `inbox` every branch in `waiting` whose memory has been published."""
    for key in list(waiting):
        memory = board.get(waiting[key])
        if memory is not None:
            inbox[key] = memory
            del waiting[key]


def sample_wave(asks: Mapping[str, Ask], policies: Mapping[Role, Policy], stats: WaveStats) -> dict[str, list[Reply]]:
    """One batch per policy over all asks; replies go back by key."""
    by_policy: dict[int, tuple[Policy, list[tuple[str, SampleRequest]]]] = {}
    for key, ask in asks.items():
        policy = policies[ask.role]
        batch = by_policy.setdefault(id(policy), (policy, []))[1]
        batch.extend((key, request) for request in ask.requests)
    replies: dict[str, list[Reply]] = {key: [] for key in asks}
    for policy, batch in by_policy.values():
        if not batch:
            continue
        started = time.perf_counter()
        tokens = 0
        for (key, _), reply in zip(batch, policy.sample([request for _, request in batch]), strict=True):
            replies[key].append(reply)
            tokens += 0 if isinstance(reply, CallFailure) else len(reply.ids)
        stats.each.append(Wave(len(batch), tokens, time.perf_counter() - started))
    return replies


def sample_once(policy: Policy, requests: Sequence[SampleRequest]) -> list[Reply]:
    """Replies to `requests`; equal greedy requests are asked once and share their reply."""
    unique: dict[object, int] = {}
    chosen: list[SampleRequest] = []
    places: list[int] = []
    for number, request in enumerate(requests):
        key = (request.prompt, request.max_tokens, request.tag) if request.temperature == 0 else number
        if key not in unique:
            unique[key] = len(chosen)
            chosen.append(request)
        places.append(unique[key])
    replies = policy.sample(chosen) if chosen else []
    return [replies[place] for place in places]
