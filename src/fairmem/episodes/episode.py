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
from dataclasses import dataclass, replace

from fairmem.agents import (
    Answerer,
    Decision,
    Extraction,
    Extractor,
    Fact,
    Manager,
    SingleAgent,
    TurnContext,
    Writer,
)
from fairmem.data import split_session
from fairmem.episodes.executor import Ask, AwaitMemory, MemoryBoard, Routine
from fairmem.episodes.written import Written
from fairmem.memory import Memory, MemoryBank, Op, OpContext, OpResult, StructuredMemory, StructuredOp
from fairmem.policy import Message, Prompt, Reply, SampleRequest
from fairmem.seeds import derive
from fairmem.trace import CallFailure, FailureKind, OpRecord, ParseOutcome, RoleTurn, StopReason
from fairmem.types import Conversation


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
                written, bank = yield from _write_structured(plan, agents, context, bank)
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


def extract(
    plan: BranchPlan, agents: Agents, contexts: Sequence[TurnContext]
) -> Routine[list[tuple[RoleTurn, Extraction | None]]]:
    """Extract every chunk; in one wave, or with history in one wave per chunk index."""
    done: dict[int, tuple[RoleTurn, Extraction | None]] = {}
    past: dict[int, Prompt] = {}
    waves = sorted({context.chunk for context in contexts}) if agents.history else [None]
    for wave in waves:
        chosen = [i for i, context in enumerate(contexts) if wave is None or context.chunk == wave]
        requests: list[SampleRequest] = []
        for i in chosen:
            context = contexts[i]
            prompt = agents.extractor.prompt(context, past.get(context.session, ()))
            requests.append(_request(plan, agents.extractor, context, prompt))
        replies: list[Reply] = yield Ask("extractor", tuple(requests))
        for i, request, reply in zip(chosen, requests, replies, strict=True):
            context = contexts[i]
            turn = _turn(agents.extractor, context, request, reply)
            if isinstance(reply, CallFailure):
                done[i] = (turn, None)
                continue
            extraction = agents.extractor.parse(reply.text, reply.stop is StopReason.LENGTH, context)
            if agents.history:
                exchange = (request.prompt[-1], Message("assistant", reply.text))
                past[context.session] = (*past.get(context.session, ()), *exchange)
            facts = tuple(fact.text for fact in extraction.facts)
            read = {"parse": extraction.outcome, "dropped": extraction.dropped, "facts": facts}
            done[i] = (turn.model_copy(update=read), extraction)
    return [done[i] for i in range(len(contexts))]


def write(
    plan: BranchPlan,
    agents: Agents,
    context: TurnContext,
    extraction: Extraction | None,
    bank: MemoryBank,
    call: int = 0,
) -> Routine[tuple[RoleTurn, MemoryBank, Written]]:
    """One call of the manager, or of the single agent, the memory after its operations, and what it wrote.

    `call` as in `_request`.
    """
    writer: Manager | SingleAgent = agents.single or agents.manager
    facts: tuple[Fact, ...] = () if extraction is None else extraction.facts
    if isinstance(writer, SingleAgent):
        related = writer.related(bank, context)
        request = _request(plan, writer, context, writer.prompt(context, related), call)
    else:
        related = writer.related(bank, facts)
        request = _request(plan, writer, context, writer.prompt(context, facts, related), call)
    (reply,) = yield Ask(writer.role, (request,))
    turn = _turn(writer, context, request, reply, call)
    if isinstance(reply, CallFailure):
        return turn.model_copy(update={"bank_before": bank.hash, "bank_after": bank.hash}), bank, Written(turn.id)
    cut = reply.stop is StopReason.LENGTH
    if isinstance(writer, SingleAgent):
        decision: Decision = writer.parse(reply.text, cut, context, related)
    else:
        decision = writer.parse(reply.text, cut, context, facts, related)
    op_context = context.op_context()
    after, records = apply_ops(bank, decision.ops, op_context)
    wrote = Written(turn.id, decision.spans, tuple(op.source for op in records), decision.ops, op_context)
    read = {
        "parse": decision.outcome,
        "dropped": decision.dropped,
        "facts": tuple(fact.text for fact in facts),
        "ops": records,
        "bank_before": bank.hash,
        "bank_after": after.hash,
    }
    return turn.model_copy(update=read), after, wrote


def _write_structured(
    plan: BranchPlan, agents: Agents, context: TurnContext, memory: StructuredMemory
) -> Routine[tuple[list[RoleTurn], StructuredMemory]]:
    """The calls of the writer for one chunk, several if it searches, and the memory after their operations."""
    writer = agents.writer
    if writer is None:
        raise RuntimeError("a structured memory needs a writer")  # `Agents.empty` gives one to writers alone
    turns: list[RoleTurn] = []
    shown = writer.shown(memory, context)
    known, prompt = shown.entries, writer.prompt(context, memory, shown)
    for number in range(writer.rounds):
        request = _request(plan, writer, context, prompt, number)
        (reply,) = yield Ask(writer.role, (request,))
        turn = _turn(writer, context, request, reply, number)
        if isinstance(reply, CallFailure):
            return [*turns, turn.model_copy(update={"bank_before": memory.hash, "bank_after": memory.hash})], memory
        left = writer.rounds - number - 1
        parsed = writer.parse(reply.text, reply.stop is StopReason.LENGTH, context, known, may_search=left > 0)
        after, records = apply_structured(memory, parsed.items, writer.op_context(context))
        turns.append(
            turn.model_copy(
                update={
                    "parse": parsed.outcome,
                    "dropped": parsed.dropped,
                    "ops": records,
                    "bank_before": memory.hash,
                    "bank_after": after.hash,
                }
            )
        )
        memory = after
        if all(op.name != "SEARCH" for op in parsed.items):
            break
        found = writer.found(memory, parsed.items)
        known = tuple({entry.id: entry for entry in (*known, *found)}.values())
        prompt = (*prompt, Message("assistant", reply.text), writer.told(found, last=left == 1))
    return turns, memory


def apply_structured(
    memory: StructuredMemory, ops: Sequence[StructuredOp], context: OpContext
) -> tuple[StructuredMemory, tuple[OpRecord, ...]]:
    """As `apply_ops`, on a structured memory."""
    records: list[OpRecord] = []
    for op in ops:
        memory, result = op.apply(memory, context)
        records.append(_record(op, result))
    return memory, tuple(records)


def apply_ops(bank: MemoryBank, ops: Sequence[Op], context: OpContext) -> tuple[MemoryBank, tuple[OpRecord, ...]]:
    """Apply `ops` in order; returns the memory after the last and a record of what came of each."""
    records: list[OpRecord] = []
    for op in ops:
        bank, result = op.apply(bank, context)
        records.append(_record(op, result))
    return bank, tuple(records)


def _record(op: Op | StructuredOp, result: OpResult) -> OpRecord:
    return OpRecord(
        op=op.name,
        outcome=result.outcome.value,
        entry=result.entry,
        speaker=getattr(op, "speaker", None),
        content=getattr(op, "content", None),
        source=getattr(op, "source", None),
        store=getattr(op, "store", None),
    )


def _request(
    plan: BranchPlan,
    role: Extractor | Manager | SingleAgent | Writer,
    context: TurnContext,
    prompt: Prompt,
    call: int = 0,
) -> SampleRequest:
    """`call` counts those of one chunk, from 0."""
    seed = derive(plan.seed, role.role, context.session, context.chunk, *([call] if call else []))
    tools = role.tools if isinstance(role, Writer) else ()
    return SampleRequest(prompt, role.max_tokens, plan.temperature, seed, role.role, tools)


def _turn(
    role: Extractor | Manager | SingleAgent | Writer,
    context: TurnContext,
    request: SampleRequest,
    reply: Reply,
    call: int = 0,
) -> RoleTurn:
    turn = RoleTurn(
        id=f"{role.role}-{context.session}.{context.chunk}" + (f".{call}" if call else ""),
        role=role.role,
        session=context.session,
        chunk=context.chunk,
        prompt="",
        prompt_hash=role.prompt_hash,
        seed=request.seed,
    )
    return with_reply(turn, request, reply)


def with_reply(turn: RoleTurn, request: SampleRequest, reply: Reply) -> RoleTurn:
    """`turn` with what came back: the prompt as it was read and what was sampled, or why nothing was."""
    if isinstance(reply, CallFailure):
        text = "".join(message.content for message in request.prompt)
        return turn.model_copy(update={"prompt": text, "failure": reply})
    return turn.model_copy(
        update={
            "prompt": reply.prompt_text,
            "prompt_ids": reply.prompt_ids,
            "ids": reply.ids,
            "logprobs": reply.logprobs,
            "text": reply.text,
            "stop": reply.stop,
            "policy_version": reply.version,
        }
    )
