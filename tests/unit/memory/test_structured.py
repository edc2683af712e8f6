from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from fairmem.errors import CheckpointError
from fairmem.memory import (
    CoreRewrite,
    MemoryBank,
    OpContext,
    OpOutcome,
    StoreDelete,
    StoreInsert,
    StoreNoop,
    StoreSearch,
    StoreUpdate,
    StructuredMemory,
    StructuredOp,
    memory_from_json,
)

FIRST = OpContext(1, datetime(2023, 1, 2), ("Ana", "Bo"), frozenset({"D1:1", "D1:2"}))
THIRD = OpContext(3, datetime(2023, 5, 7), ("Ana", "Bo"), frozenset({"D3:1"}))


def memory_after(*ops: StructuredOp, context: OpContext = FIRST) -> StructuredMemory:
    memory = StructuredMemory.empty()
    for op in ops:
        memory, _ = op.apply(memory, context)
    return memory


FULL = memory_after(
    CoreRewrite("Ana lives in Paris. Bo works as a tutor.", "D1:1"),
    StoreInsert("semantic", "Bo", "Bo has a car.", "D1:2"),
    StoreInsert("episodic", "Ana", "Ana plans to travel to Fiji.", "D1:1"),
    StoreInsert("semantic", "Ana", "Ana has a cat.", "D1:1"),
    StoreDelete(5),
)
"""Core sentences 1 and 2, semantic 3, episodic 4, and 5 deleted."""


def test_ids_are_unique_over_core_and_stores_and_every_part_has_its_entries() -> None:
    assert [entry.id for entry in FULL.entries] == [1, 2, 3, 4]
    assert [entry.content for entry in FULL.store("semantic")] == ["Bo has a car."]
    assert [entry.content for entry in FULL.store("episodic")] == ["Ana plans to travel to Fiji."]
    assert [entry.speaker for entry in FULL.core_entries] == ["Ana", "Bo"]
    assert (len(FULL), FULL.size, FULL.next_id) == (4, 2, 6)
    assert FULL.sources == {"D1:1", "D1:2"}
    assert FULL.tokens(len) == len("Ana lives in Paris.Bo works as a tutor.Bo has a car.Ana plans to travel to Fiji.")


@pytest.mark.parametrize(
    ("op", "outcome", "entry"),
    [
        (StoreInsert("semantic", "Ana", "Ana likes jazz.", "D3:1"), OpOutcome.APPLIED, 6),
        (StoreInsert("episodic", "Ana", "Ana likes jazz.", "D3:1"), OpOutcome.APPLIED, 6),
        (StoreInsert("episodic", "Bo", "Bo has  a car.", "D3:1"), OpOutcome.MERGED_DUPLICATE, 3),
        (StoreUpdate(3, "Bo has a van.", "D3:1"), OpOutcome.APPLIED, 3),
        (StoreDelete(4, "D3:1"), OpOutcome.APPLIED, 4),
        (CoreRewrite("Ana lives in Lodz. Bo works as a tutor.", "D3:1"), OpOutcome.APPLIED, 6),
        (CoreRewrite("Bo works as a tutor.", "D3:1"), OpOutcome.APPLIED, None),
    ],
)
def test_what_is_done_is_named_and_leaves_the_memory_before_as_it_was(
    op: StructuredOp, outcome: OpOutcome, entry: int | None
) -> None:
    before = FULL.to_json()
    after, result = op.apply(FULL, THIRD)
    assert (result.outcome, result.entry) == (outcome, entry)
    assert after.hash != FULL.hash and not result.outcome.refused
    assert FULL.to_json() == before


@pytest.mark.parametrize(
    ("op", "outcome", "entry"),
    [
        (StoreInsert("semantic", "Ana", " ", "D3:1"), OpOutcome.EMPTY_TEXT, None),
        (StoreInsert("semantic", "Ana", "x" * 401, "D3:1"), OpOutcome.TEXT_TOO_LONG, None),
        (StoreInsert("semantic", "Cy", "Cy sings.", "D3:1"), OpOutcome.UNKNOWN_SPEAKER, None),
        (StoreInsert("semantic", "Ana", "Ana sings.", "D9:9"), OpOutcome.UNKNOWN_SOURCE, None),
        (StoreUpdate(99, "Bo sings.", "D3:1"), OpOutcome.UNKNOWN_ID, None),
        (StoreUpdate(5, "Ana sings.", "D3:1"), OpOutcome.ALREADY_DELETED, 5),
        (StoreUpdate(3, "Bo has a car.", "D3:1"), OpOutcome.UNCHANGED, 3),
        (StoreUpdate(1, "Ana lives in Rome.", "D3:1"), OpOutcome.CORE_ENTRY, 1),
        (StoreUpdate(3, "", "D3:1"), OpOutcome.EMPTY_TEXT, 3),
        (StoreUpdate(3, "Bo sings.", "D9:9"), OpOutcome.UNKNOWN_SOURCE, 3),
        (StoreDelete(99), OpOutcome.UNKNOWN_ID, None),
        (StoreDelete(5), OpOutcome.ALREADY_DELETED, 5),
        (StoreDelete(2), OpOutcome.CORE_ENTRY, 2),
        (StoreDelete(3, "D9:9"), OpOutcome.UNKNOWN_SOURCE, 3),
        (CoreRewrite("", "D3:1"), OpOutcome.EMPTY_TEXT, None),
        (CoreRewrite("Ana sings.", "D9:9"), OpOutcome.UNKNOWN_SOURCE, None),
        (CoreRewrite("Ana lives in Paris. Bo works as a tutor.", "D3:1"), OpOutcome.UNCHANGED, None),
        (CoreRewrite("word " * 513, "D3:1"), OpOutcome.CORE_OVERFLOW, None),
        (StoreNoop(), OpOutcome.NOOP, None),
        (StoreSearch("car"), OpOutcome.FOUND, None),
        (StoreSearch("zebra"), OpOutcome.NOTHING_FOUND, None),
    ],
)
def test_what_changes_nothing_is_named_and_gives_the_same_memory(
    op: StructuredOp, outcome: OpOutcome, entry: int | None
) -> None:
    after, result = op.apply(FULL, THIRD)
    assert (result.outcome, result.entry) == (outcome, entry)
    assert after is FULL


def test_a_full_memory_refuses_new_entries_and_a_core_of_exactly_the_limit_is_accepted() -> None:
    result = StoreInsert("semantic", "Ana", "Ana sings.", "D3:1").apply(FULL, replace(THIRD, max_entries=2))[1]
    assert result.outcome is OpOutcome.BANK_FULL
    assert CoreRewrite("word " * 512, "D3:1").apply(FULL, THIRD)[1].outcome is OpOutcome.APPLIED


def test_a_sentence_that_a_rewrite_keeps_keeps_its_date_and_source_and_a_new_one_gets_its_own() -> None:
    after, _ = CoreRewrite("Ana lives in Lodz. Bo works as a tutor.", "D3:1").apply(FULL, THIRD)
    new, kept = after.core_entries
    assert (kept.id, kept.created_session, kept.sources) == (2, 1, ("D1:1",))
    assert (new.id, new.speaker, new.created_session, new.sources) == (6, "Ana", 3, ("D3:1",))
    gone = after.get(1)
    assert gone is not None and gone.deleted_session == 3


def test_an_update_keeps_the_text_before_in_its_history_and_moves_in_the_index() -> None:
    after, _ = StoreUpdate(3, "Bo has a van.", "D3:1").apply(FULL, THIRD)
    entry = after.get(3)
    assert entry is not None and [r.content for r in entry.history] == ["Bo has a car."]
    assert [hit.entry.id for hit in after.search("semantic", "van", 5)] == [3]
    assert after.search("semantic", "car", 5) == []
    assert [hit.entry.id for hit in FULL.search("semantic", "car", 5)] == [3]


def test_equal_memories_have_equal_hashes_however_they_came_about() -> None:
    one = memory_after(
        StoreInsert("semantic", "Ana", "Ana sings.", "D1:1"), StoreInsert("episodic", "Bo", "Bo swam.", "D1:1")
    )
    detour, _ = StoreUpdate(1, "Ana dances.", "D1:1").apply(one, FIRST)
    back, _ = StoreUpdate(1, "Ana sings.", "D1:1").apply(detour, FIRST)
    assert back.hash == one.hash != detour.hash
    assert back != one  # the lineage differs
    other = memory_after(
        StoreInsert("episodic", "Ana", "Ana sings.", "D1:1"), StoreInsert("episodic", "Bo", "Bo swam.", "D1:1")
    )
    assert other.hash != one.hash  # it lies in another store


def test_a_memory_comes_back_from_json_whole_and_is_told_from_a_bank() -> None:
    back = memory_from_json(FULL.to_json())
    assert back == FULL and back.hash == FULL.hash
    assert isinstance(back, StructuredMemory)
    assert [hit.entry.id for hit in back.search("semantic", "car", 5)] == [3]
    assert StoreInsert("semantic", "Bo", "Bo has a car.", "D3:1").apply(back, THIRD)[1].entry == 3
    assert memory_from_json(MemoryBank.empty().to_json()) == MemoryBank.empty()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": "fairmem-structured"}', FULL.to_json().replace('"id":2', '"id":9')]
)
def test_a_damaged_file_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(CheckpointError) as error:
        memory_from_json(text)
    assert "\n" not in str(error.value)
