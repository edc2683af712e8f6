"""Three sessions of memory at work, without a model: what `fairmem demo` prints.

The conversation and the replies of extractor and manager are written below; everything else is the real
thing: prompts, parsers, retrieval, operations, bank. The last session holds a mistake on purpose, to show
what becomes of one. Answers come from `fairmem.policy.rules`, which reads them off the entries it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fairmem.agents import Answerer, Extractor, Manager, TurnContext
from fairmem.data import split_session
from fairmem.memory import Delete, HashedEmbedder, Insert, MemoryBank, Op, Update, build_retriever
from fairmem.metrics import token_f1
from fairmem.policy import Prompt, Sample, SampleRequest, ScriptedPolicy
from fairmem.policy.rules import reply_by_rules
from fairmem.trace import StopReason
from fairmem.types import Conversation, Question, Session, Turn


def _session(index: int, time: datetime, *said: tuple[str, str]) -> Session:
    turns = tuple(Turn(f"D{index}:{number}", speaker, text) for number, (speaker, text) in enumerate(said, start=1))
    return Session(index, time, turns)


CONVERSATION = Conversation(
    id="demo",
    speakers=("Ilva", "Torben"),
    sessions=(
        _session(
            1,
            datetime(2025, 1, 12, 10, 5),
            ("Ilva", "I moved to Marstrand last week. At last I live by the sea!"),
            ("Torben", "Lovely! I took up beekeeping, I have two beehives now."),
            ("Ilva", "My sister Runa is going to visit me in March."),
            ("Torben", "It rained all day here."),
        ),
        _session(
            2,
            datetime(2025, 3, 8, 18, 40),
            ("Ilva", "Runa broke her ankle, so there will be no visit in March."),
            ("Torben", "Poor Runa! Good news from the bees: I have five beehives now."),
            ("Ilva", "I still love living in Marstrand."),
        ),
        _session(
            3,
            datetime(2025, 6, 20, 9, 15),
            ("Torben", "I found work: I am a ferry pilot now."),
            ("Ilva", "Congratulations! I moved again, I live in Skagen now."),
            ("Torben", "Ferries on weekdays, and five beehives at the weekend."),
        ),
    ),
    questions=(
        Question("q1", "Where does Ilva live?", "Skagen", "knowledge_update", ("D3:2",), 3),
        Question("q2", "How many beehives does Torben keep?", "five", "single_hop", ("D2:2",), 2),
        Question("q3", "When did Ilva move to Skagen?", "20 June 2025", "temporal", ("D3:2",), 3),
    ),
)

# In the formats of `fairmem.agents.compact`: "TURN fact" and "FACT OPERATION ENTRY-AS-SHOWN".
_REPLIES = {
    "<extract> 12 January 2025": (
        "1 Ilva lives in Marstrand.\n2 Torben keeps two beehives.\n3 Ilva's sister Runa will visit Ilva in March."
    ),
    "<manage> 12 January 2025": "a INSERT\nb INSERT\nc INSERT",
    "<extract> 8 March 2025": (
        "1 Ilva's sister Runa will not visit Ilva in March.\n2 Torben keeps five beehives.\n3 Ilva lives in Marstrand."
    ),
    "<manage> 8 March 2025": "a DELETE 3\nb UPDATE 2\nc NOOP",
    "<extract> 20 June 2025": (
        "1 Torben works as a ferry pilot.\n2 Ilva lives in Skagen.\n3 Torben keeps five beehives."
    ),
    # c asks to insert what is known, and d is no fact.
    "<manage> 20 June 2025": "a INSERT\nb UPDATE 1\nc INSERT\nd DELETE 2",
}


def _script(prompt: Prompt, seed: int) -> str:
    first = prompt[0].content.split("\n", 1)[0]
    return _REPLIES.get(first) or reply_by_rules(prompt, seed)


def lines() -> Iterator[str]:
    """What the demo prints, line by line."""
    policy = ScriptedPolicy(_script)
    retriever = build_retriever("hybrid", HashedEmbedder())
    bank = MemoryBank.empty()
    for session in CONVERSATION.sessions:
        yield f"Session {session.index}, {_date(session.time)}"
        before = bank
        for chunk in split_session(session, chunks_per_session=1):
            context = TurnContext.from_chunk(CONVERSATION, chunk)
            bank, told = _remember(bank, context, policy, Extractor("compact"), Manager("compact", retriever))
            yield from (f"  {line}" for line in told)
        yield f"  memory bank: {before.size} -> {bank.size} entries"
        yield from (f"    {line}" for line in str(before.diff(bank)).splitlines())
        yield ""
    yield "Questions"
    yield from (f"  {line}" for line in _quiz(bank, policy, Answerer("compact", retriever)))


def _remember(
    bank: MemoryBank, context: TurnContext, policy: ScriptedPolicy, extractor: Extractor, manager: Manager
) -> tuple[MemoryBank, list[str]]:
    """The bank after one chunk, and what happened on the way."""
    told = [f"{turn.id}  {turn.speaker}: {turn.text}" for turn in context.turns]
    sample = _sample(policy, extractor.prompt(context), extractor.max_tokens)
    extraction = extractor.parse(sample.text, sample.stop is StopReason.LENGTH, context)
    told += ["extractor"] + [f"  fact  {fact.text} [{fact.source}]" for fact in extraction.facts]
    told += [f"  dropped  {reason}" for reason in extraction.dropped]

    related = manager.related(bank, extraction.facts)
    told += ["manager"] + [f"  sees entry {entry.id}  {entry.content}" for entry in related]
    sample = _sample(policy, manager.prompt(context, extraction.facts, related), manager.max_tokens)
    decision = manager.parse(sample.text, sample.stop is StopReason.LENGTH, context, extraction.facts, related)
    for op in decision.ops:
        bank, result = op.apply(bank, context.op_context())
        told.append(f"  {_describe(op)}  ->  {result.outcome}" + (f", entry {result.entry}" if result.entry else ""))
    told += [f"  dropped  {reason}" for reason in decision.dropped]
    return bank, told


def _quiz(bank: MemoryBank, policy: ScriptedPolicy, answerer: Answerer) -> Iterator[str]:
    for question in CONVERSATION.questions:
        shown = answerer.shown(bank, question.text, CONVERSATION.speakers)
        prompt = answerer.prompt(question.text, shown, CONVERSATION.speakers)
        sample = _sample(policy, prompt, answerer.max_tokens)
        answer = answerer.parse(sample.text, sample.stop is StopReason.LENGTH).text
        score = token_f1(answer, question.answer)
        yield f"{question.text}  {answer}  (right: {question.answer}, F1 {score:.2f})"


def _sample(policy: ScriptedPolicy, prompt: Prompt, max_tokens: int) -> Sample:
    reply = policy.sample([SampleRequest(prompt, max_tokens)])[0]
    assert isinstance(reply, Sample), "a script does not fail"
    return reply


def _describe(op: Op) -> str:
    match op:
        case Insert(speaker=speaker, content=content):
            return f"INSERT {speaker}: {content}"
        case Update(entry=entry, content=content):
            return f"UPDATE entry {entry}: {content}"
        case Delete(entry=entry):
            return f"DELETE entry {entry}"
        case _:
            return op.name


def _date(time: datetime) -> str:
    return f"{time.day} {time:%B} {time.year}"
