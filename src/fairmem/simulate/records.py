"""What is simulated, on what, with which measured times, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

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
