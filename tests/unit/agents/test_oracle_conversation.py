"""A conversation played by an oracle through prompts and parsers: nothing it says may get lost on the way."""

from collections import Counter

from fairmem.agents import (
    Answerer,
    Extractor,
    Manager,
    TurnContext,
    fact_letter,
    format_answer,
    format_decision,
    format_extraction,
)
from fairmem.data import split_session
from fairmem.data.village import answer, decide, read, simulate, support
from fairmem.memory import Bm25Retriever, MemoryBank, OpOutcome
from fairmem.trace import ParseOutcome


def test_what_an_oracle_writes_in_the_compact_family_is_read_and_applied_in_full() -> None:
    world = simulate(7, "train", 1, 6)
    conversation = world.conversation
    extractor, manager = Extractor("compact"), Manager("compact", Bm25Retriever())
    answerer = Answerer("compact", Bm25Retriever())
    bank, outcomes = MemoryBank.empty(), Counter[OpOutcome]()
    for session in conversation.sessions:
        for chunk in split_session(session, 3):
            context = TurnContext.from_chunk(conversation, chunk)
            number = {turn.id: position for position, turn in enumerate(chunk.turns, 1)}
            gold = [(number[d.turn], d.content) for d in conversation.deltas if d.turn in number]
            extraction = extractor.parse(format_extraction(gold), False, context)
            assert [fact.text for fact in extraction.facts] == [content for _, content in gold]
            assert extraction.outcome is (ParseOutcome.OK if gold else ParseOutcome.EMPTY)

            related = manager.related(bank, extraction.facts)
            wishes = [decide(fact.text, [entry.content for entry in related]) for fact in extraction.facts]
            reply = format_decision(
                [
                    (fact_letter(index), wish.op, None if wish.position is None else related[wish.position].content)
                    for index, wish in enumerate(wishes)
                ]
            )
            decision = manager.parse(reply, False, context, extraction.facts, related)
            if wishes:
                assert [op.name for op in decision.ops] == [wish.op for wish in wishes]
                assert decision.dropped == ()
            for op in decision.ops:
                bank, result = bank.apply(op, context.op_context())
                outcomes[result.outcome] += 1
    assert not any(outcome.refused for outcome in outcomes)
    assert len(bank) >= 10
    shown = answerer.shown(bank, conversation.questions[0].text, conversation.speakers)
    assert {entry.id for entry in shown} == {entry.id for entry in bank.entries}
    memory = [(entry.content, entry.updated_time) for entry in shown]
    assert all(read(content) for content, _ in memory)
    for spec in world.specs.values():
        answered = answerer.parse(format_answer(support(spec, memory)), False)
        assert (answered.text, answered.dropped) == (answer(spec, memory), ())
