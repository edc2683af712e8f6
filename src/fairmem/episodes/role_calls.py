"""The calls of the roles that write memory, for one branch: what is asked, what came back, what it does to the memory.

Each is a routine (`fairmem.episodes.executor`) that yields its requests and returns the turns to put on the trace.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairmem.agents import Decision, Extraction, Extractor, Fact, Manager, SingleAgent, TurnContext, Writer
from fairmem.episodes.executor import Ask, Routine
from fairmem.episodes.plans import Agents, BranchPlan
from fairmem.episodes.written import Written
from fairmem.memory import MemoryBank, Op, OpContext, OpResult, StructuredMemory, StructuredOp
from fairmem.policy import Message, Prompt, Reply, SampleRequest
from fairmem.seeds import derive
from fairmem.trace import CallFailure, OpRecord, RoleTurn, StopReason


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


def write_structured(
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
