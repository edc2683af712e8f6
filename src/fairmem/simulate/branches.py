"""The branches of a step: which calls each makes, how long they are, and what it waits for."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fairmem.simulate.records import Times, Workload


@dataclass(slots=True, eq=False)
class Call:
    """One model call of a branch; calls of one `group` have the same prompt of `prompt` tokens, and sample `tokens`."""

    branch: int
    group: int
    prompt: int
    tokens: int


Wait: TypeAlias = tuple[int, int]
"""(branch, session) whose memory at the session's start is waited for."""
Branch: TypeAlias = Generator["list[Call] | Wait | int", None, None]
"""Yields the calls it makes at once, what it waits for, or a session that has begun (an int)."""


class Draw:
    """Lengths of calls, drawn from measured ones; calls of one group share a prompt.

    `tokens` counts those sampled, `read` those of distinct prompts.
    """

    def __init__(self, times: Times, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._times = times
        self._groups = 0
        self._prompts: dict[tuple[object, ...], tuple[int, int]] = {}
        self.tokens = self.read = 0

    def call(self, branch: int, role: str, shared: tuple[object, ...] | None = None) -> Call:
        """A call of `role` by `branch`; equal `shared` gives equal prompts."""
        lengths = self._times.lengths[role]
        prompt, tokens = lengths[int(self._rng.integers(len(lengths)))]
        self._groups += 1
        group, known = self._groups, False
        if shared is not None:
            known = (role, *shared) in self._prompts
            group, prompt = self._prompts.setdefault((role, *shared), (group, prompt))
        call = Call(branch, group, prompt, max(1, tokens))
        self.tokens += call.tokens
        self.read += 0 if known else prompt
        return call


def branches_of(work: Workload, draw: Draw, rng: np.random.Generator) -> list[Branch]:
    """The branches of a step, the global ones of a conversation before its local ones."""
    made: list[Branch] = []
    for talk in range(work.conversations):
        first = len(made)
        for _ in range(work.global_group):
            made.append(_global(len(made), talk, work, draw))
        count = int(work.local_fraction * work.sessions + 0.5)
        for session in sorted(rng.permutation(work.sessions)[:count]):
            source = first + int(rng.integers(work.global_group))
            made += [_local(len(made) + j, talk, int(session), source, work, draw) for j in range(work.local_group)]
    return made


def _global(name: int, talk: int, work: Workload, draw: Draw) -> Branch:
    chunks = [(session, chunk) for session in range(work.sessions) for chunk in range(work.chunks)]
    yield [draw.call(name, "extractor", (talk, *place)) for place in chunks]
    for session, chunk in chunks:
        if chunk == 0:
            yield session
        yield [draw.call(name, "manager")]


def _local(name: int, talk: int, session: int, source: int, work: Workload, draw: Draw) -> Branch:
    yield [draw.call(name, "extractor", (talk, session, chunk)) for chunk in range(work.chunks)]
    yield (source, session)
    for _ in range(work.chunks):
        yield [draw.call(name, "manager")]


def answering(name: int, times: Times, draw: Draw) -> Branch:
    """The answerer's calls about the memory that branch `name` has left, all at once."""
    count = int(times.questions + 0.5)
    if count:
        yield [draw.call(name, "answerer") for _ in range(count)]
