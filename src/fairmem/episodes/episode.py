"""One branch of an episode: extract all sessions, then let the manager work through them one chunk at a time.

Extraction does not read memory, so a branch asks for all of its extractions before its first manager call (one
wave; with `history`, one wave per chunk index, because a chunk then sees the replies to earlier ones). A single
agent in place of both reads memory, so it has one call per chunk, one after the other.
The writer of a structured memory may take several calls for a chunk, when it searches.
A call that fails ends the branch: the failed turn is on the trace, later sessions are never rolled out,
and whoever waits for this branch's memory gets the failure instead and ends with a skipped turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fairmem.agents import Extraction, Manager, TurnContext
from fairmem.data import split_session
from fairmem.episodes.executor import AwaitMemory, MemoryBoard, Routine
from fairmem.episodes.plans import Agents, BranchPlan, BranchResult
from fairmem.episodes.role_calls import extract, write, write_structured
from fairmem.episodes.written import Written
from fairmem.memory import Memory, StructuredMemory
from fairmem.trace import CallFailure, FailureKind, ParseOutcome, RoleTurn


def roll_branch(plan: BranchPlan, agents: Agents, board: MemoryBoard, prefix: str = "") -> Routine[BranchResult]:
    """The routine of one branch, for `run_waves`. `prefix` makes branch ids unique on a shared board."""
    contexts = chunks_of(plan, agents)
    extracted: Sequence[tuple[RoleTurn | None, Extraction | None]] = [(None, None)] * len(contexts)
    bank: Memory | CallFailure = agents.empty()
    if plan.given is not None:
        contexts = [replace(contexts[0], chunk=plan.given.chunk)]
        extracted, bank = [(None, Extraction(plan.given.facts, ParseOutcome.OK))], plan.given.memory
    elif isinstance(agents.writing, Manager):
        extracted = yield from extract(plan, agents, contexts)
    if plan.parent is not None:
        bank = yield AwaitMemory(prefix + plan.parent, plan.first)
    if isinstance(bank, CallFailure):
        return BranchResult(plan, None, (*(turn for turn, _ in extracted if turn), _skipped(plan, agents, bank)), None)
    start, turns, noted = bank, list[RoleTurn](), list[Written]()
    published = plan.first - 1
    for context, (turn, extraction) in zip(contexts, extracted, strict=True):
        for session in range(published + 1, context.session + 1):
            board.publish(prefix + plan.id, session, bank)
            published = session
        if turn is not None:
            turns.append(turn)
            if extraction is None:
                return _failed(plan, start, turns, turn.failure, board, prefix, context.session)
            noted.append(Written(turn.id, extraction.spans, tuple(fact.source for fact in extraction.facts)))
        if extraction is None or extraction.facts:
            if isinstance(bank, StructuredMemory):
                written, bank = yield from write_structured(plan, agents, context, bank)
            else:
                turn, bank, wrote = yield from write(plan, agents, context, extraction, bank)
                written = [turn]
                noted.append(wrote)
            turns += written
            if written[-1].failure is not None:
                return _failed(plan, start, turns, written[-1].failure, board, prefix, context.session)
    for session in range(published + 1, plan.last + 1):  # sessions without turns at the end
        board.publish(prefix + plan.id, session, bank)
    return BranchResult(plan, start, tuple(turns), bank, tuple(noted))


def chunks_of(plan: BranchPlan, agents: Agents) -> list[TurnContext]:
    """The chunks that `plan` goes through, in order."""
    return [
        TurnContext.from_chunk(plan.conversation, chunk)
        for session in plan.conversation.sessions
        if plan.first <= session.index <= plan.last
        for chunk in split_session(session, agents.chunks_per_session)
    ]


def reuse_branch(
    plan: BranchPlan, parent: BranchResult, agents: Agents, board: MemoryBoard, prefix: str = ""
) -> BranchResult:
    """The sessions `plan.first` to `plan.last` of `parent`, which has been rolled out, as a branch of their own."""
    name = prefix + parent.plan.id
    start = board.get(AwaitMemory(name, plan.first))
    if start is None or isinstance(start, CallFailure):
        cause = start or CallFailure(kind=FailureKind.SKIPPED, message=f"{parent.plan.id} was not there", attempts=0)
        return BranchResult(plan, None, (_skipped(plan, agents, cause),), None)
    turns = tuple(turn for turn in parent.turns if plan.first <= turn.session <= plan.last)
    end = parent.bank if plan.last == parent.plan.last else board.get(AwaitMemory(name, plan.last + 1))
    return BranchResult(plan, start, turns, None if isinstance(end, CallFailure) else end)


def _failed(
    plan: BranchPlan,
    start: Memory,
    turns: Sequence[RoleTurn],
    cause: CallFailure | None,
    board: MemoryBoard,
    prefix: str,
    session: int,
) -> BranchResult:
    skipped = CallFailure(
        kind=FailureKind.SKIPPED, message=f"{plan.id} failed before: {cause.message if cause else ''}", attempts=0
    )
    for later in range(session + 1, plan.last + 1):
        board.publish(prefix + plan.id, later, skipped)
    return BranchResult(plan, start, tuple(turns), None)


def _skipped(plan: BranchPlan, agents: Agents, cause: CallFailure) -> RoleTurn:
    """The turn that says that there was no memory to work on."""
    writer = agents.writing
    return RoleTurn(
        id=f"{writer.role}-{plan.first}.0",
        role=writer.role,
        session=plan.first,
        chunk=0,
        prompt="",
        prompt_hash=writer.prompt_hash,
        failure=cause,
    )
