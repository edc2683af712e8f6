"""What is to be rolled out, and what came of it: the roles, the plan of a branch, its result, the plan of a tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fairmem.agents import (
    Answerer,
    Extractor,
    Fact,
    Manager,
    SingleAgent,
    Writer,
)
from fairmem.episodes.written import Written
from fairmem.memory import Memory, MemoryBank, StructuredMemory
from fairmem.trace import RoleTurn
from fairmem.types import Conversation, Question

OpScope = Literal["cumulative", "session"]
"""What an operation is valued by: all questions of the end, or those about the sessions that its entry is from."""
OpHorizon = Literal["end", "session"]
"""The memory that an operation is left out of: the final one, or the one after its session."""


@dataclass(frozen=True, slots=True)
class Agents:
    """The roles, and how sessions are cut for them. With `single` or `writer`, extractor and manager are not called."""

    extractor: Extractor
    manager: Manager
    answerer: Answerer
    chunks_per_session: int
    history: bool = False
    single: SingleAgent | None = None
    writer: Writer | None = None

    @property
    def writing(self) -> Manager | SingleAgent | Writer:
        """The role whose operations change memory."""
        return self.single or self.writer or self.manager

    @property
    def called(self) -> tuple[Extractor | Manager | SingleAgent | Writer | Answerer, ...]:
        """The roles that take part."""
        writing = self.writing
        writers = (self.extractor, writing) if isinstance(writing, Manager) else (writing,)
        return (*writers, self.answerer)

    def empty(self) -> Memory:
        """The memory that an episode starts with."""
        return StructuredMemory.empty() if self.writer is not None else MemoryBank.empty()


@dataclass(frozen=True, slots=True)
class Given:
    """A branch that is one decision of the manager: the memory before it and the facts it is about, from one turn."""

    memory: MemoryBank
    facts: tuple[Fact, ...]
    chunk: int = 0


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """Which part of which conversation a branch rolls out, from which memory, with which random stream.

    Attributes:
        id: Unique in its tree, e.g. `g3`, or `g3/s5/r1` for a rerollout of session 5 from `g3`.
        first: First session rolled out; `last`: last one (session numbers of the conversation).
        parent: Branch whose memory at the start of `first` this one starts from; None starts empty.
        seed: Seed of the branch; every call draws from a stream derived from it.
        temperature: Sampling temperature of the roles that write memory.
        reused: Nothing is sampled: the branch is what its parent did in these sessions, as a member of a local group.
        given: Nothing is extracted: the manager decides once, about these facts and from this memory.
    """

    id: str
    conversation: Conversation
    first: int
    last: int
    member: int
    seed: int
    temperature: float
    parent: str | None = None
    reused: bool = False
    given: Given | None = None


@dataclass(frozen=True, slots=True)
class BranchResult:
    """What a branch did: its turns in order, and its memory after the last session (None if it failed).

    `written` says what the replies wrote, where and by which operations; it is empty with a structured memory.
    """

    plan: BranchPlan
    start: Memory | None
    turns: tuple[RoleTurn, ...]
    bank: Memory | None
    written: tuple[Written, ...] = ()


@dataclass(frozen=True, slots=True)
class TreePlan:
    """The branches to roll out from one conversation.

    `questions` gives the fixed question set of a comparison group from (session it is asked after, session the
    group is about or None for the global group). With `balanced`, a local branch earns the mean of two scores: on
    the questions with evidence in the session the group is about, and on the others. With `state_values` the memories
    that a global branch had on the way are asked the questions of its last. With an `op_scope` every operation of a
    global branch is valued by those questions too, or by those of its scope, in the memory of the `op_horizon`
    (`fairmem.episodes.op_values`).
    """

    conversation: Conversation
    branches: tuple[BranchPlan, ...]
    questions: Callable[[int, int | None], tuple[Question, ...]]
    seed: int = 0
    balanced: bool = False
    state_values: bool = False
    op_scope: OpScope | None = None
    op_horizon: OpHorizon = "end"
