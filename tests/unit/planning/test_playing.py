from __future__ import annotations

from datetime import datetime
from typing import get_args

import pytest

from fairmem.agents import Answerer, Extractor, Manager, SingleAgent, TurnContext, Writer
from fairmem.memory import Entry, MemoryBank, StructuredMemory
from fairmem.planning.assumptions import DEFAULTS
from fairmem.planning.playing import Spread, StandIn, token_counter
from fairmem.policy import Family, Message, Prompt, SampleRequest
from fairmem.trace import CallFailure, ParseOutcome
from fairmem.types import Turn

TURNS = (
    Turn("D1:1", "Ana", "I moved to Lodz last week and the flat is small but has a garden."),
    Turn("D1:2", "Bo", "Nice. My sister has a new job in a bakery."),
)
CONTEXT = TurnContext("c", ("Ana", "Bo"), 1, 0, datetime(2023, 5, 7), TURNS)
FAMILIES: tuple[Family, ...] = get_args(Family)


def stand_in(family: Family, **changed: float) -> StandIn:
    values = {"facts.per_turn": 1.0, "facts.chars": 40.0, "text.template": 5.0} | {
        name.replace("__", "."): value for name, value in changed.items()
    }
    return StandIn(family, DEFAULTS.with_values(values), lambda text: len(text) / 4)


def reply(policy: StandIn, prompt: Prompt, tag: str, most: int = 500) -> str:
    (found,) = policy.sample([SampleRequest(prompt, most, tag=tag)])
    assert not isinstance(found, CallFailure)
    assert len(found.ids) == round(policy.calls[-1].sampled)
    return found.text


@pytest.mark.parametrize("family", FAMILIES)
def test_the_agents_read_what_it_writes_as_so_many_facts_and_insertions(family: Family) -> None:
    policy, extractor = stand_in(family), Extractor(family)
    extraction = extractor.parse(reply(policy, extractor.prompt(CONTEXT), "extractor"), False, CONTEXT)
    assert extraction.outcome is ParseOutcome.OK and [fact.speaker for fact in extraction.facts] == ["Ana", "Bo"]
    assert all(len(fact.text) == 40 for fact in extraction.facts[:1])
    manager = Manager(family, Spread())
    prompt = manager.prompt(CONTEXT, extraction.facts, ())
    decision = manager.parse(reply(policy, prompt, "manager"), False, CONTEXT, extraction.facts, ())
    assert [op.name for op in decision.ops] == ["INSERT", "INSERT"] and not decision.dropped


@pytest.mark.parametrize("family", FAMILIES)
def test_a_single_agent_and_a_writer_read_it_too(family: Family) -> None:
    policy, single, writer = stand_in(family), SingleAgent(family, Spread()), Writer(family)
    decision = single.parse(reply(policy, single.prompt(CONTEXT, ()), "single"), False, CONTEXT, ())
    assert [op.name for op in decision.ops] == ["INSERT", "INSERT"] and not decision.dropped
    memory = StructuredMemory.empty()
    prompt = writer.prompt(CONTEXT, memory, writer.shown(memory, CONTEXT))
    written = writer.parse(reply(policy, prompt, "writer"), False, CONTEXT, ())
    assert [op.name for op in written.items] == ["INSERT", "INSERT"] and not written.dropped


@pytest.mark.parametrize("family", FAMILIES)
def test_more_facts_than_turns_are_all_different(family: Family) -> None:
    policy, extractor = stand_in(family, facts__per_turn=2.5), Extractor(family)
    extraction = extractor.parse(reply(policy, extractor.prompt(CONTEXT), "extractor"), False, CONTEXT)
    assert len(extraction.facts) == 5 and not extraction.dropped


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_one(family: Family) -> None:
    policy, answerer = stand_in(family), Answerer(family, Spread())
    time = datetime(2023, 5, 7)
    entry = Entry(1, "Ana", "Ana lives in Lodz.", 1, time, 1, time, ("D1:1",), "INSERT")
    bank = MemoryBank.from_entries([entry])
    shown = answerer.shown(bank, "Where does Ana live?", ("Ana", "Bo"))
    answer = answerer.parse(reply(policy, answerer.prompt("Where?", shown, ("Ana", "Bo")), "answerer"), False)
    assert answer.outcome is ParseOutcome.OK and answer.text


def test_sizes_are_those_of_prompt_and_reply() -> None:
    policy = stand_in("instruct")
    reply(policy, (Message("system", "s" * 40), Message("user", "u" * 20)), "extractor", most=3)
    (call,) = policy.calls
    assert call.prompt == 15 + 5  # 60 characters of four, and the template's marks
    assert call.fresh == 15 and not call.seen
    assert call.sampled == 3  # cut at the request's limit


def test_only_what_no_earlier_prompt_began_with_is_fresh() -> None:
    policy = stand_in("instruct")
    head = Message("system", "s" * 40)
    reply(policy, (head, Message("user", "a" * 20)), "extractor")
    reply(policy, (head, Message("user", "b" * 20)), "extractor")
    reply(policy, (head, Message("user", "a" * 20)), "extractor")
    earlier = (head, Message("user", "a" * 20), Message("assistant", "x" * 8), Message("user", "c" * 4))
    reply(policy, earlier, "extractor")
    assert [call.fresh for call in policy.calls] == pytest.approx([15, 5, 0, 3])
    assert [call.seen for call in policy.calls] == [False, False, True, False]
    assert [call.shareable for call in policy.calls] == [True, True, True, False]  # the last holds what was sampled


def test_a_call_is_numbered_by_the_batch_it_went_out_in() -> None:
    policy = stand_in("compact")
    request = SampleRequest((Message("user", "x"),), 5, tag="manager")
    policy.sample([request, request])
    policy.sample([request])
    assert [call.wave for call in policy.calls] == [0, 0, 1]


def test_the_retriever_finds_as_many_as_it_may_and_others_for_another_query() -> None:
    time = datetime(2023, 5, 7)
    entries = [Entry(n, "Ana", f"{n}", 1, time, 1, time, (), "INSERT") for n in range(1, 31)]
    found = {query: [hit.entry.id for hit in Spread().rank(entries, query, 5)] for query in ("a", "b", "c", "d")}
    assert all(len(set(ids)) == 5 for ids in found.values()) and len({tuple(ids) for ids in found.values()}) > 1
    assert len(Spread().rank(entries[:2], "a", 5)) == 2 and Spread().rank([], "a", 5) == []


def test_tokens_are_counted_by_length_where_there_is_no_tokenizer() -> None:
    count, how = token_counter(None, DEFAULTS)
    assert count("x" * 345) == pytest.approx(100) and how == "3.45 characters per token"
