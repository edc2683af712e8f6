import json
from datetime import datetime

import pytest

from fairmem.agents import Fact, Manager, TurnContext
from fairmem.memory import (
    Bm25Retriever,
    Delete,
    DenseRetriever,
    Entry,
    HashedEmbedder,
    Insert,
    MemoryBank,
    Noop,
    Op,
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
    turns=(Turn("D3:1", "Ana", "I moved to Lodz."), Turn("D3:2", "Bo", "I sold my car.")),
)
FACTS = (Fact("Ana", "Ana lives in Lodz.", "D3:1"), Fact("Bo", "Bo sold his car.", "D3:2"))
COMPACT = Manager("compact", Bm25Retriever())
INSTRUCT = Manager("instruct", Bm25Retriever())


def entry(id: int, speaker: str, content: str, updated_day: int = 1) -> Entry:
    return Entry(
        id, speaker, content, 1, datetime(2023, 1, 1), 2, datetime(2023, 2, updated_day), (f"D1:{id}",), "INSERT"
    )


RELATED = (entry(7, "Ana", "Ana lives in Paris."), entry(4, "Bo", "Bo has a car.", updated_day=3))


def operations(*items: object) -> str:
    return json.dumps({"operations": items})


def test_only_entries_of_exactly_the_speaker_are_related() -> None:
    bank = MemoryBank.from_entries(
        [
            entry(1, "Ana", "Ana lives in Lodz."),
            entry(2, "ana", "Ana lives in Lodz."),
            entry(3, "Bo", "Bo lives in Lodz."),
        ]
    )
    manager = Manager("compact", DenseRetriever(VectorArena(HashedEmbedder())))
    assert [e.id for e in manager.related(bank, FACTS[:1])] == [1]
    assert manager.related(bank, [Fact("Eve", "Eve lives in Lodz.", "D3:1")]) == ()
    assert manager.related(MemoryBank.empty(), FACTS) == ()


def test_deleted_entries_are_never_related() -> None:
    bank = MemoryBank.from_entries([entry(1, "Ana", "Ana lives in Paris."), entry(2, "Ana", "Ana lives in Rome.")])
    manager = Manager("compact", DenseRetriever(VectorArena(HashedEmbedder())))
    bank, _ = bank.apply(Delete(1), CONTEXT.op_context())
    assert [e.id for e in manager.related(bank, FACTS[:1])] == [2]


def test_each_fact_finds_at_most_per_fact_entries_and_the_union_is_shown_by_update_then_id() -> None:
    # BM25 gives the shorter of two entries with the same matching words the higher score.
    bank = MemoryBank.from_entries(
        [
            entry(1, "Ana", "Ana lives in Lodz, near the river, with a dog and a parrot.", updated_day=1),
            entry(2, "Ana", "Ana lives in Lodz, near the river.", updated_day=9),
            entry(3, "Ana", "Ana lives in Lodz.", updated_day=9),
            entry(4, "Bo", "Bo sold his car.", updated_day=2),
        ]
    )
    manager = Manager("compact", Bm25Retriever(), per_fact=2, min_score=0.0)
    assert [e.id for e in manager.related(bank, FACTS)] == [4, 2, 3]


def test_the_union_keeps_the_entries_nearest_to_any_fact() -> None:
    bank = MemoryBank.from_entries(
        [
            entry(1, "Ana", "Ana lives in Lodz."),
            entry(2, "Ana", "Ana lives in Paris."),
            entry(3, "Bo", "Bo sold his car."),
        ]
    )
    # Cosines: entries 1 and 3 repeat a fact word for word (1.0 each), entry 2 does not (< 1.0).
    manager = Manager("compact", DenseRetriever(VectorArena(HashedEmbedder())), max_related=2)
    assert [e.id for e in manager.related(bank, FACTS)] == [1, 3]


def test_nearness_to_one_fact_is_enough_to_be_kept() -> None:
    bank = MemoryBank.from_entries(
        [entry(1, "Ana", "Ana lives in Lodz."), entry(2, "Ana", "Ana has a rosin for violins and lives.")]
    )
    facts = [Fact("Ana", "Ana lives in Lodz.", "D3:1"), Fact("Ana", "Violins need rosin.", "D3:1")]
    # Entry 1 is the first fact word for word (cosine 1) and far from the second; entry 2 is half near to both.
    manager = Manager("compact", DenseRetriever(VectorArena(HashedEmbedder())), max_related=1, min_score=-1.0)
    assert [e.id for e in manager.related(bank, facts)] == [1]
    assert [e.id for e in manager.related(bank, facts[::-1])] == [1]


def test_entries_below_the_least_score_are_not_shown() -> None:
    bank = MemoryBank.from_entries([entry(1, "Ana", "Ana lives in Lodz."), entry(2, "Ana", "Violins need rosin.")])
    retriever = DenseRetriever(VectorArena(HashedEmbedder()))
    assert [e.id for e in Manager("compact", retriever, min_score=0.5).related(bank, FACTS[:1])] == [1]
    assert Manager("compact", retriever, min_score=1.1).related(bank, FACTS[:1]) == ()


def test_the_compact_prompt_numbers_the_entries_as_given() -> None:
    assert COMPACT.prompt(CONTEXT, FACTS, RELATED) == (
        Message(
            "user",
            "<manage> 7 May 2023\n1 Ana lives in Paris.\n2 Bo has a car.\n"
            "<facts>\na Ana lives in Lodz.\nb Bo sold his car.\n<out>\n",
        ),
    )


def test_compact_positions_and_letters_become_entry_ids_and_facts() -> None:
    decision = COMPACT.parse("a UPDATE 1\nb DELETE 2", False, CONTEXT, FACTS, RELATED)
    assert decision.ops == (Update(7, "Ana lives in Lodz.", "D3:1"), Delete(4, "D3:2"))
    assert decision.outcome is ParseOutcome.OK


def test_compact_free_text_replaces_the_words_of_the_fact() -> None:
    decision = COMPACT.parse("a UPDATE 1 Ana moved from Paris to Lodz.\nb INSERT", False, CONTEXT, FACTS, RELATED)
    assert decision.ops == (
        Update(7, "Ana moved from Paris to Lodz.", "D3:1"),
        Insert("Bo", "Bo sold his car.", "D3:2"),
    )


def test_a_compact_fact_without_a_line_is_a_noop() -> None:
    assert COMPACT.parse("b INSERT", False, CONTEXT, FACTS, RELATED).ops == (
        Insert("Bo", "Bo sold his car.", "D3:2"),
        Noop("D3:1"),
    )


def test_the_instruct_prompt_shows_both_dates_and_what_each_fact_is_related_to() -> None:
    system, user = INSTRUCT.prompt(CONTEXT, FACTS, RELATED)
    assert (system.role, user.role) == ("system", "user")
    head, payload = user.content.split("Decide on these facts:\n")
    assert head == "Session date: 7 May 2023. Speakers: Ana, Bo.\n"
    assert json.loads(payload) == {
        "memories": [
            {
                "memory_id": 7,
                "created": "1 January 2023",
                "updated": "1 February 2023",
                "speaker": "Ana",
                "content": "Ana lives in Paris.",
                "dia_ids": ["D1:7"],
            },
            {
                "memory_id": 4,
                "created": "1 January 2023",
                "updated": "3 February 2023",
                "speaker": "Bo",
                "content": "Bo has a car.",
                "dia_ids": ["D1:4"],
            },
        ],
        "facts": [
            {"speaker": "Ana", "dia_id": "D3:1", "fact": "Ana lives in Lodz.", "related_memory_ids": [7]},
            {"speaker": "Bo", "dia_id": "D3:2", "fact": "Bo sold his car.", "related_memory_ids": [4]},
        ],
    }


def test_instruct_operations_are_read_in_their_order() -> None:
    text = operations(
        {"operation": "DELETE", "memory_id": 4, "dia_id": "D3:2"},
        {"operation": "insert", "speaker": "Bo", "content": "Bo sold his car.", "dia_id": "D3:2"},
        {"operation": "UPDATE", "memory_id": "7", "content": "Ana lives in Lodz.", "dia_id": "D3:1"},
        {"operation": "NOOP"},
    )
    decision = INSTRUCT.parse(text, False, CONTEXT, FACTS, RELATED)
    assert decision.ops == (
        Delete(4, "D3:2"),
        Insert("Bo", "Bo sold his car.", "D3:2"),
        Update(7, "Ana lives in Lodz.", "D3:1"),
        Noop(),
    )
    assert (decision.outcome, decision.dropped) == (ParseOutcome.OK, ())


def test_add_and_none_are_other_names_of_insert_and_noop() -> None:
    text = operations({"operation": "ADD", "content": "Ana sings.", "dia_id": "D3:1"}, {"operation": "NONE"})
    assert INSTRUCT.parse(text, False, CONTEXT, FACTS, RELATED).ops == (Insert("Ana", "Ana sings.", "D3:1"), Noop())


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"operation": "DELETE", "memory_id": 7}, "second operation on entry 7: DELETE"),
        (
            {"operation": "UPDATE", "memory_id": 7, "content": "x", "dia_id": "D3:1"},
            "second operation on entry 7: UPDATE",
        ),
        ({"operation": "DELETE", "memory_id": 5}, "no entry '5' among those shown"),
        ({"operation": "DELETE", "memory_id": True}, "no entry 'True' among those shown"),
        ({"operation": "DELETE", "memory_id": "the car"}, "no entry 'the car' among those shown"),
        ({"operation": "DELETE"}, "no entry 'None' among those shown"),
        ({"operation": "DELETE", "memory_id": 4, "dia_id": "D9:9"}, "no turn 'D9:9' in this chunk"),
        ({"operation": "UPDATE", "memory_id": 4, "dia_id": "D3:1"}, "'content' is not a text: 'None'"),
        ({"operation": "UPDATE", "memory_id": 4, "content": "x"}, "no turn 'None' in this chunk"),
        (
            {"operation": "INSERT", "speaker": "Eve", "content": "x", "dia_id": "D3:1"},
            "no speaker 'Eve' in this conversation",
        ),
        ({"operation": "MERGE", "memory_id": 4}, "no operation 'MERGE'"),
        ({"memory_id": 4}, "no operation 'None'"),
        (None, "not an object: 'None'"),
    ],
)
def test_an_unusable_operation_is_dropped_with_its_reason(item: object, reason: str) -> None:
    good = {"operation": "UPDATE", "memory_id": 7, "content": "Ana lives in Lodz.", "dia_id": "D3:1"}
    decision = INSTRUCT.parse(operations(good, item), False, CONTEXT, FACTS, RELATED)
    assert decision.ops == (Update(7, "Ana lives in Lodz.", "D3:1"),)
    assert (decision.outcome, decision.dropped) == (ParseOutcome.PARTIAL, (reason,))


def test_true_is_not_entry_number_one() -> None:
    decision = INSTRUCT.parse(
        operations({"operation": "DELETE", "memory_id": True}), False, CONTEXT, FACTS, [entry(1, "Ana", "Ana sings.")]
    )
    assert (decision.ops, decision.outcome) == ((), ParseOutcome.NO_ITEMS)


def test_the_same_insert_twice_counts_once() -> None:
    item = {"operation": "INSERT", "speaker": "Ana", "content": "Ana sings.", "dia_id": "D3:1"}
    decision = INSTRUCT.parse(operations(item, item), False, CONTEXT, FACTS, RELATED)
    assert decision.ops == (Insert("Ana", "Ana sings.", "D3:1"),)
    assert decision.dropped == ("second INSERT of 'Ana sings.'",)


@pytest.mark.parametrize(
    ("text", "truncated", "ops", "outcome"),
    [
        (operations(), False, (), ParseOutcome.EMPTY),
        (operations({"operation": "NOOP"}), False, (Noop(),), ParseOutcome.EMPTY),
        (operations("DELETE 4"), False, (), ParseOutcome.NO_ITEMS),
        ("Delete memory 4.", False, (), ParseOutcome.UNPARSABLE),
        (operations({"operation": "DELETE", "memory_id": 4})[:-2], True, (Delete(4),), ParseOutcome.TRUNCATED),
        (operations({"operation": "DELETE", "memory_id": 4})[:-3], True, (), ParseOutcome.TRUNCATED),
    ],
)
def test_other_replies_say_what_they_are(
    text: str, truncated: bool, ops: tuple[Op, ...], outcome: ParseOutcome
) -> None:
    decision = INSTRUCT.parse(text, truncated, CONTEXT, FACTS, RELATED)
    assert (decision.ops, decision.outcome) == (ops, outcome)


def test_decided_operations_apply_to_the_bank_they_were_decided_on() -> None:
    bank = MemoryBank.from_entries([entry(1, "Ana", "Ana lives in Paris."), entry(2, "Bo", "Bo has a car.")])
    related = COMPACT.related(bank, FACTS)
    assert [e.id for e in related] == [1, 2]
    for op in COMPACT.parse("a UPDATE 1\nb DELETE 2", False, CONTEXT, FACTS, related).ops:
        bank, _ = bank.apply(op, CONTEXT.op_context())
    assert [(e.id, e.content, e.updated_time) for e in bank.entries] == [
        (1, "Ana lives in Lodz.", datetime(2023, 5, 7))
    ]
