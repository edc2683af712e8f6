"""The single agent: what it is shown of memory and dialogue, and how its operations are read."""

import json
from datetime import datetime

import pytest

from fairmem.agents import SingleAgent, TurnContext
from fairmem.errors import ConfigError
from fairmem.memory import (
    Bm25Retriever,
    Delete,
    DenseRetriever,
    Entry,
    HashedEmbedder,
    Insert,
    MemoryBank,
    Noop,
    Update,
    VectorArena,
)
from fairmem.policy import Message
from fairmem.trace import ParseOutcome
from fairmem.types import Turn

CONTEXT = TurnContext(
    "c1",
    ("Ana", "Bo"),
    session=3,
    chunk=0,
    time=datetime(2023, 5, 7),
    turns=(Turn("D3:1", "Ana", "I moved to Lodz."), Turn("D3:2", "Bo", "I sold my <car>.", "a van")),
)
COMPACT = SingleAgent("compact", Bm25Retriever())
INSTRUCT = SingleAgent("instruct", Bm25Retriever())


def entry(id: int, speaker: str, content: str, updated_day: int = 1) -> Entry:
    return Entry(
        id, speaker, content, 1, datetime(2023, 1, 1), 2, datetime(2023, 2, updated_day), (f"D1:{id}",), "INSERT"
    )


RELATED = (entry(7, "Ana", "Ana lives in Paris."), entry(4, "Bo", "Bo has a car.", updated_day=3))


def test_every_turn_finds_its_share_of_the_entries_whoever_they_are_about() -> None:
    bank = MemoryBank.from_entries(
        [
            entry(1, "Bo", "Ana moved to Lodz."),
            entry(2, "Ana", "Bo sold the car."),
            entry(3, "Ana", "Violins need rosin."),
        ]
    )
    dense = DenseRetriever(VectorArena(HashedEmbedder()))
    # 5 entries for 2 turns are 2 each, of which the third shares no word with either turn.
    assert [e.id for e in SingleAgent("compact", dense, max_related=5).related(bank, CONTEXT)] == [1, 2]
    # 1 // 2 is 0, so each turn finds 1, and the nearer of the two is kept.
    assert len(SingleAgent("compact", dense, max_related=1).related(bank, CONTEXT)) == 1
    assert SingleAgent("compact", dense, min_score=1.1).related(bank, CONTEXT) == ()
    assert COMPACT.related(MemoryBank.empty(), CONTEXT) == ()


def test_a_turn_with_many_near_entries_leaves_room_for_the_others() -> None:
    bank = MemoryBank.from_entries(
        [entry(1, "Ana", "Ana moved to Lodz."), entry(2, "Ana", "I moved to Lodz."), entry(3, "Bo", "Bo has a van.")]
    )
    dense = DenseRetriever(VectorArena(HashedEmbedder()))
    # 2 entries for 2 turns are 1 each: entry 2 is the first turn word for word, entry 3 is all that the second finds.
    assert [e.id for e in SingleAgent("compact", dense, max_related=2).related(bank, CONTEXT)] == [2, 3]
    assert [e.id for e in SingleAgent("compact", dense, max_related=4).related(bank, CONTEXT)] == [1, 2, 3]


def test_the_compact_prompt_numbers_entries_and_letters_turns() -> None:
    assert COMPACT.prompt(CONTEXT, RELATED) == (
        Message(
            "user",
            "<single> 7 May 2023\n1 Ana lives in Paris.\n2 Bo has a car.\n"
            "<turns>\na Ana: I moved to Lodz.\nb Bo: I sold my (car>. (shows an image: a van)\n<out>\n",
        ),
    )
    assert "2023\n<turns>\n" in COMPACT.prompt(CONTEXT, ())[0].content


def test_the_instruct_prompt_shows_memories_and_turns_as_json() -> None:
    system, user = INSTRUCT.prompt(CONTEXT, RELATED)
    assert system.role == "system" and '"operation": "DELETE"' in system.content
    assert "Session date: 7 May 2023. Speakers: Ana, Bo." in user.content
    memories, turns = user.content.split("Decide what")
    shown = json.loads(memories[memories.index("{") :])["memories"]
    assert [(m["memory_id"], m["content"]) for m in shown] == [(7, "Ana lives in Paris."), (4, "Bo has a car.")]
    assert [json.loads(line)["dia_id"] for line in turns.splitlines()[1:]] == ["D3:1", "D3:2"]


def test_compact_operations_bring_their_wording_and_name_entries_as_shown() -> None:
    reply = "a UPDATE 1 Ana lives in Lodz.\nb DELETE Bo has a car.\nb INSERT Bo sold his car.\nb INSERT Bo likes vans."
    decision = COMPACT.parse(reply, False, CONTEXT, RELATED)
    assert decision.ops == (
        Update(7, "Ana lives in Lodz.", "D3:1"),
        Delete(4, "D3:2"),
        Insert("Bo", "Bo sold his car.", "D3:2"),
        Insert("Bo", "Bo likes vans.", "D3:2"),
    )
    assert decision.outcome is ParseOutcome.OK


def test_an_update_quotes_the_entry_and_says_after_an_arrow_what_takes_its_place() -> None:
    related = (*RELATED, entry(9, "Bo", "Bo likes a -> b."))
    reply = "a UPDATE Ana lives in Paris. -> Ana lives in Lodz.\nb UPDATE Bo likes a -> b. -> Bo likes c."
    decision = COMPACT.parse(reply, False, CONTEXT, related)
    assert decision.ops == (Update(7, "Ana lives in Lodz.", "D3:1"), Update(9, "Bo likes c.", "D3:2"))
    for reply in ("a UPDATE Ana lives in Rome. -> Ana lives in Lodz.", "a DELETE Ana lives in Paris. -> Gone."):
        assert COMPACT.parse(reply, False, CONTEXT, related).ops == ()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("a INSERT", "INSERT without wording of its own"),
        ("a UPDATE 1", "UPDATE without wording of its own"),
        ("a UPDATE Ana lives in Paris.", "UPDATE without wording of its own"),
        ("c INSERT Bo has a dog.", "no fact c among 2"),
        ("a UPDATE 3 Ana lives in Lodz.", "no entry 3 among 2"),
        ("a INSERT Ana lives in Lodz.\na INSERT Ana lives in Lodz.", "second INSERT"),
        ("a UPDATE 1 Ana lives in Lodz.\nb DELETE 1", "second operation on entry 1"),
    ],
)
def test_a_compact_operation_that_cannot_be_used_is_dropped_with_its_reason(reply: str, reason: str) -> None:
    decision = COMPACT.parse(reply, False, CONTEXT, RELATED)
    assert len(decision.dropped) == 1 and reason in decision.dropped[0]
    assert decision.outcome is (ParseOutcome.PARTIAL if "\n" in reply else ParseOutcome.NO_ITEMS)


def test_saying_nothing_is_empty_and_a_turn_without_a_line_gets_no_operation() -> None:
    assert COMPACT.parse("none", False, CONTEXT, RELATED).outcome is ParseOutcome.EMPTY
    assert COMPACT.parse("none", False, CONTEXT, RELATED).ops == ()
    assert COMPACT.parse("b NOOP", False, CONTEXT, RELATED).ops == (Noop("D3:2"),)
    assert COMPACT.parse("Sure!", False, CONTEXT, RELATED).outcome is ParseOutcome.UNPARSABLE


def test_a_cut_reply_keeps_its_complete_operations() -> None:
    decision = COMPACT.parse("a INSERT Ana lives in Lodz.\nb INSERT Bo so", True, CONTEXT, RELATED)
    assert decision.ops == (Insert("Ana", "Ana lives in Lodz.", "D3:1"),)
    assert decision.outcome is ParseOutcome.TRUNCATED


def test_instruct_operations_are_read_like_a_managers() -> None:
    reply = json.dumps(
        {
            "operations": [
                {"operation": "UPDATE", "memory_id": 7, "content": "Ana lives in Lodz.", "dia_id": "D3:1"},
                {"operation": "DELETE", "memory_id": 5},
                {"operation": "INSERT", "speaker": "Bo", "content": "Bo sold his car.", "dia_id": "D9:9"},
            ]
        }
    )
    decision = INSTRUCT.parse(reply, False, CONTEXT, RELATED)
    assert decision.ops == (Update(7, "Ana lives in Lodz.", "D3:1"),)
    assert decision.outcome is ParseOutcome.PARTIAL and len(decision.dropped) == 2


def test_a_wrong_family_fails_when_the_role_is_made() -> None:
    with pytest.raises(ConfigError, match="no prompt 'verbose/single'"):
        SingleAgent("verbose", Bm25Retriever())  # pyright: ignore[reportArgumentType]
