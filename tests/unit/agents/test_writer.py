"""What the writer is shown, how its replies are read in both families, and 50,000 damaged ones."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import datetime

import pytest

from fairmem.agents import Shown, TurnContext, Writer
from fairmem.agents.compact import format_changes
from fairmem.agents.writer_tools import CALLS, writer_tools
from fairmem.memory import (
    CoreRewrite,
    StoreDelete,
    StoreInsert,
    StoreNoop,
    StoreSearch,
    StoreUpdate,
    StructuredMemory,
    StructuredOp,
)
from fairmem.policy import Family
from fairmem.trace import ParseOutcome
from fairmem.types import Turn
from tests.unit.agents.test_mutated_replies import FRAGMENTS

CONTEXT = TurnContext(
    "c",
    ("Ana", "Bo"),
    session=3,
    chunk=0,
    time=datetime(2023, 5, 7),
    turns=(Turn("D3:1", "Ana", "I moved to Lodz."), Turn("D3:2", "Bo", "I sold my car.")),
)


def memory() -> StructuredMemory:
    """Core sentences 1 and 2, a semantic entry 3 and an episodic entry 4."""
    made = StructuredMemory.empty()
    context = TurnContext("c", ("Ana", "Bo"), 1, 0, datetime(2023, 1, 2), (Turn("D1:1", "Ana", "..."),)).op_context()
    for op in (
        CoreRewrite("Ana lives in Paris. Bo works as a tutor.", "D1:1"),
        StoreInsert("semantic", "Bo", "Bo has a car.", "D1:1"),
        StoreInsert("episodic", "Ana", "Ana plans to travel to Fiji.", "D1:1"),
    ):
        made, _ = op.apply(made, context)
    return made


MEMORY = memory()
SHOWN = Writer("compact").shown(MEMORY, CONTEXT)


def read(text: str, family: Family = "compact", truncated: bool = False, searching: bool = False) -> list[StructuredOp]:
    parsed = Writer(family).parse(text, truncated, CONTEXT, SHOWN.entries, searching)
    return list(parsed.items)


def test_the_turns_find_the_entries_about_their_speakers_and_the_core_is_shown_whole() -> None:
    assert [entry.id for entry in SHOWN.semantic] == [3] and [entry.id for entry in SHOWN.episodic] == [4]
    (message,) = Writer("compact").prompt(CONTEXT, MEMORY, SHOWN)
    assert message.content == (
        "<write> 7 May 2023\ncore\nAna lives in Paris. Bo works as a tutor.\nsemantic\n1 Bo has a car.\n"
        "episodic\n2 Ana plans to travel to Fiji.\n<turns>\na Ana: I moved to Lodz.\nb Bo: I sold my car.\n<out>\n"
    )
    assert Writer("compact").shown(StructuredMemory.empty(), CONTEXT) == Shown()


def test_the_compact_reply_of_the_grammar_is_read_whole() -> None:
    reply = format_changes(
        [
            ("a", "CORE", None, "Ana lives in Lodz. Bo works as a tutor."),
            ("b", "DELETE", "Bo has a car.", ""),
            ("a", "UPDATE", "Ana plans to travel to Fiji.", "Ana plans to travel to Peru."),
            ("b", "INSERT", None, "semantic Bo has a van."),
        ]
    )
    assert read(reply) == [
        CoreRewrite("Ana lives in Lodz. Bo works as a tutor.", "D3:1"),
        StoreDelete(3, "D3:2"),
        StoreUpdate(4, "Ana plans to travel to Peru.", "D3:1"),
        StoreInsert("semantic", "Bo", "Bo has a van.", "D3:2"),
    ]
    assert read("b DELETE 1\na UPDATE 2 Ana stays.\nb NOOP") == [
        StoreDelete(3, "D3:2"),
        StoreUpdate(4, "Ana stays.", "D3:1"),
        StoreNoop("D3:2"),
    ]


@pytest.mark.parametrize(
    ("text", "outcome", "reason"),
    [
        ("none", ParseOutcome.EMPTY, ""),
        ("b NOOP", ParseOutcome.EMPTY, ""),
        ("", ParseOutcome.UNPARSABLE, ""),
        ("hello", ParseOutcome.UNPARSABLE, "not 'LETTER OPERATION'"),
        ("z INSERT semantic Bo sings.", ParseOutcome.NO_ITEMS, "no turn z among 2"),
        ("a INSERT Bo sings.", ParseOutcome.NO_ITEMS, "INSERT names no store"),
        ("a INSERT semantic", ParseOutcome.NO_ITEMS, "INSERT without a text"),
        ("a INSERT core Ana sings.", ParseOutcome.NO_ITEMS, "INSERT names no store"),
        ("a CORE", ParseOutcome.NO_ITEMS, "CORE without a text"),
        ("a UPDATE Bo has a car.", ParseOutcome.NO_ITEMS, "UPDATE without wording"),
        ("a DELETE Bo has a boat.", ParseOutcome.NO_ITEMS, "names no entry that was shown"),
        ("a DELETE 7", ParseOutcome.NO_ITEMS, "no entry 7 among 2"),
        ("a DELETE 1\nb UPDATE 1 Bo has a van.", ParseOutcome.PARTIAL, "second operation on the same"),
        ("a CORE Ana sings.\nb CORE Bo sings.", ParseOutcome.PARTIAL, "second operation on the core"),
    ],
)
def test_what_a_compact_reply_cannot_ask_is_dropped_with_its_reason(
    text: str, outcome: ParseOutcome, reason: str
) -> None:
    parsed = Writer("compact").parse(text, False, CONTEXT, SHOWN.entries)
    assert parsed.outcome is outcome
    assert (reason in parsed.dropped[0]) if reason else not parsed.dropped


CALLS_REPLY = json.dumps(
    {
        "calls": [
            {"tool": "core_rewrite", "arguments": {"content": "Ana lives in Lodz.", "turn": "D3:1"}},
            {"tool": "memory_delete", "arguments": {"memory_id": "3", "turn": "D3:2"}},
            {"tool": "memory_update", "arguments": {"memory_id": 4, "content": "Ana stays.", "turn": "D3:1"}},
            {"tool": "memory_insert", "arguments": {"store": "episodic", "content": "Bo sold a car.", "turn": "D3:2"}},
            {"tool": "memory_search", "arguments": {"query": "car", "limit": 3}},
        ]
    }
)


def test_calls_become_operations_and_a_search_only_while_one_is_left() -> None:
    assert read(CALLS_REPLY, "instruct", searching=True) == [
        CoreRewrite("Ana lives in Lodz.", "D3:1"),
        StoreDelete(3, "D3:2"),
        StoreUpdate(4, "Ana stays.", "D3:1"),
        StoreInsert("episodic", "Bo", "Bo sold a car.", "D3:2"),
        StoreSearch("car", None, 3),
    ]
    parsed = Writer("instruct").parse(CALLS_REPLY, False, CONTEXT, SHOWN.entries)
    assert len(parsed.items) == 4 and "no search left" in parsed.dropped[0]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"tool": "memory_burn", "arguments": {}}, "no tool"),
        ({"tool": "memory_insert", "arguments": {"store": "core", "content": "x", "turn": "D3:1"}}, "'store'"),
        ({"tool": "memory_insert", "arguments": {"store": "semantic", "content": "x"}}, "'turn'"),
        ({"tool": "memory_insert", "arguments": {"store": "semantic", "content": "x", "turn": "D9:1"}}, "no turn"),
        ({"tool": "memory_insert", "arguments": {"store": "semantic", "content": "\x00", "turn": "D3:1"}}, "empty"),
        ({"tool": "memory_update", "arguments": {"memory_id": 9, "content": "x", "turn": "D3:1"}}, "no entry"),
        ({"tool": "memory_delete", "arguments": {"memory_id": 1}}, "no entry"),  # a sentence of the core
        ({"tool": "memory_search", "arguments": {"query": "x", "limit": 999}}, "'limit'"),
        ({"tool": "memory_insert", "arguments": "[1]"}, "no object"),
        ({"tool": "core_rewrite", "arguments": "{}"}, "'content'"),
    ],
)
def test_a_call_that_cannot_be_used_is_dropped_with_its_reason(call: object, reason: str) -> None:
    parsed = Writer("instruct").parse(json.dumps({"calls": [call]}), False, CONTEXT, SHOWN.entries, True)
    assert parsed.outcome is ParseOutcome.NO_ITEMS and reason in parsed.dropped[0]


def test_every_tool_has_a_schema_a_description_and_only_searching_writers_get_the_search() -> None:
    tools = writer_tools(searching=True)
    assert [tool.name for tool in tools] == list(CALLS)
    assert all(tool.description and tool.schema["type"] == "object" and tool.schema["required"] for tool in tools)
    assert "memory_search" not in [tool.name for tool in writer_tools(searching=False)]
    assert Writer("instruct", native=True).tools and not Writer("instruct").tools
    assert not Writer("compact", native=True).tools


def test_the_instruct_prompt_shows_core_entries_and_turns_and_describes_the_tools() -> None:
    system, user = Writer("instruct", search_rounds=1).prompt(CONTEXT, MEMORY, SHOWN)
    assert all(name in system.content for name in CALLS) and "at most 512 tokens" in system.content
    for part in ("Ana lives in Paris. Bo works as a tutor.", '"memory_id": 3', '"memory_id": 4', '"turn": "D3:1"'):
        assert part in user.content
    native, _ = Writer("instruct", native=True).prompt(CONTEXT, MEMORY, SHOWN)
    assert "memory_insert" not in native.content


VALID: tuple[tuple[Family, str], ...] = (
    ("compact", "a CORE Ana lives in Lodz.\nb DELETE Bo has a car.\na INSERT episodic Ana moved.\nb NOOP"),
    ("compact", "a UPDATE Ana plans to travel to Fiji. -> Ana plans to travel to Peru.\nb UPDATE 1 Bo has a van."),
    ("compact", "none"),
    ("instruct", CALLS_REPLY),
    ("instruct", '{"calls": []}'),
)
MORE = ('"calls": [', '{"calls": 3}', "a INSERT semantic ", "b CORE ", " -> ", '"memory_id": true,', '"arguments": "{"')


def _mutated(rng: random.Random, text: str) -> str:
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        put = rng.choice((*FRAGMENTS, *MORE, ""))
        text = (text[:at] + put + text[rng.choice((at, at + 1, to)) :])[:20_000]
    return text


@pytest.mark.timeout(60)
def test_50_000_damaged_replies_give_one_true_outcome_each_and_never_raise() -> None:
    rng = random.Random(20250911)
    context = Writer("compact").op_context(CONTEXT)
    seen: Counter[tuple[str, ParseOutcome]] = Counter()
    for number in range(50_000):
        family, reply = VALID[number % len(VALID)]
        truncated = rng.random() < 0.1
        text = _mutated(rng, reply)
        parsed = Writer(family).parse(text, truncated, CONTEXT, SHOWN.entries, rng.random() < 0.5)
        seen[family, parsed.outcome] += 1
        assert (parsed.outcome is ParseOutcome.TRUNCATED) == truncated
        after = MEMORY
        for op in parsed.items:
            if isinstance(op, StoreUpdate | StoreDelete):
                assert op.entry in (3, 4)
            before = after
            after, result = op.apply(before, context)
            assert after is before or not result.outcome.refused
        if number % 500 == 0:
            after.to_json()
        if parsed.outcome in (ParseOutcome.UNPARSABLE, ParseOutcome.NO_ITEMS):
            assert not parsed.items
        if parsed.outcome is ParseOutcome.PARTIAL:
            assert parsed.items and parsed.dropped
    assert {outcome for _, outcome in seen} == set(ParseOutcome)
