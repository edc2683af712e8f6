from __future__ import annotations

from dataclasses import replace

import pytest

from fairmem.memory import (
    OPS,
    Delete,
    Insert,
    MemoryBank,
    Noop,
    Op,
    OpOutcome,
    OpResult,
    Revision,
    Update,
    op_from_name,
)
from tests.unit.memory.build import FIRST, MAY_7, MAY_9, SECOND, bank_of


def test_an_insert_makes_an_entry_dated_and_sourced_by_the_context() -> None:
    bank, result = MemoryBank.empty().apply(Insert("Ana", "Ana has a dog.", "D1:2"), FIRST)
    assert result == OpResult(OpOutcome.APPLIED, 1)
    (entry,) = bank.entries
    assert (entry.id, entry.speaker, entry.content, entry.sources) == (1, "Ana", "Ana has a dog.", ("D1:2",))
    assert (entry.created_session, entry.created_time) == (1, MAY_7)
    assert (entry.updated_session, entry.updated_time) == (1, MAY_7)
    assert (entry.op, entry.history, entry.live) == ("INSERT", (), True)


def test_blanks_are_squeezed_and_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    bank, _ = MemoryBank.empty().apply(Insert(" Ana ", "  Ana \n has\ta dog\ud83d. ", "D1:1"), FIRST)
    assert bank.entries[0].content == "Ana has a dog?."
    assert bank.entries[0].speaker == "Ana"


def test_inserting_the_same_text_again_confirms_the_entry_and_attaches_the_source() -> None:
    bank, result = bank_of("Ana has a dog.").apply(Insert("Ana", "Ana  has a dog.", "D2:1"), SECOND)
    assert result == OpResult(OpOutcome.MERGED_DUPLICATE, 1)
    (entry,) = bank.entries
    assert entry.sources == ("D1:1", "D2:1")
    assert (entry.created_session, entry.created_time) == (1, MAY_7)
    assert (entry.updated_session, entry.updated_time) == (2, MAY_9)
    assert (entry.op, entry.history) == ("INSERT", ())


def test_inserting_the_same_text_from_the_same_turn_gives_back_the_same_bank() -> None:
    before = bank_of("Ana has a dog.")
    after, result = before.apply(Insert("Ana", "Ana has a dog.", "D1:1"), FIRST)
    assert result.outcome is OpOutcome.MERGED_DUPLICATE
    assert after is before


def test_the_same_text_about_another_speaker_is_another_entry() -> None:
    bank, result = bank_of("They have a dog.").apply(Insert("Bo", "They have a dog.", "D1:1"), FIRST)
    assert result == OpResult(OpOutcome.APPLIED, 2)
    assert len(bank) == 2


def test_the_text_of_a_deleted_entry_can_be_inserted_anew_under_a_new_id() -> None:
    bank, _ = bank_of("Ana has a dog.").apply(Delete(1), FIRST)
    bank, result = bank.apply(Insert("Ana", "Ana has a dog.", "D2:1"), SECOND)
    assert result == OpResult(OpOutcome.APPLIED, 2)


def test_an_update_keeps_the_birth_moves_the_date_and_remembers_the_old_text() -> None:
    bank, result = bank_of("Ana lives in Paris.").apply(Update(1, "Ana lives in Lodz.", "D2:2"), SECOND)
    assert result == OpResult(OpOutcome.APPLIED, 1)
    (entry,) = bank.entries
    assert (entry.content, entry.op, entry.sources) == ("Ana lives in Lodz.", "UPDATE", ("D1:1", "D2:2"))
    assert (entry.created_session, entry.created_time) == (1, MAY_7)
    assert (entry.updated_session, entry.updated_time) == (2, MAY_9)
    assert entry.history == (Revision("Ana lives in Paris.", "INSERT", 1, MAY_7, ("D1:1",)),)


def test_history_grows_oldest_first() -> None:
    bank, _ = bank_of("Ana lives in Paris.").apply(Update(1, "Ana lives in Lodz.", "D2:1"), SECOND)
    bank, _ = bank.apply(Update(1, "Ana lives in Rome.", "D2:2"), SECOND)
    assert [(r.content, r.op) for r in bank.entries[0].history] == [
        ("Ana lives in Paris.", "INSERT"),
        ("Ana lives in Lodz.", "UPDATE"),
    ]


def test_an_update_to_what_another_entry_says_merges_into_that_entry() -> None:
    before, _ = bank_of("Ana lives in Paris.").apply(Insert("Ana", "Ana lives in Lodz.", "D1:3"), FIRST)
    bank, result = before.apply(Update(1, "Ana lives in Lodz.", "D2:1"), SECOND)
    assert result == OpResult(OpOutcome.MERGED_DUPLICATE, 2)
    assert [(e.id, e.sources, e.updated_session) for e in bank.entries] == [(2, ("D1:3", "D1:1", "D2:1"), 2)]
    gone = bank.get(1)
    assert gone is not None
    assert (gone.deleted_session, gone.deleted_source, gone.content) == (2, "D2:1", "Ana lives in Paris.")


def test_a_delete_marks_the_entry_and_keeps_it_for_lineage() -> None:
    bank, result = bank_of("Ana has a dog.").apply(Delete(1, "D2:1"), SECOND)
    assert result == OpResult(OpOutcome.APPLIED, 1)
    assert bank.entries == ()
    gone = bank.get(1)
    assert gone is not None
    assert (gone.live, gone.deleted_session, gone.deleted_time, gone.deleted_source) == (False, 2, MAY_9, "D2:1")
    assert (gone.content, gone.sources, gone.updated_session) == ("Ana has a dog.", ("D1:1",), 1)


def test_a_noop_gives_back_the_same_bank() -> None:
    before = bank_of("Ana has a dog.")
    after, result = before.apply(Noop("D1:1"), FIRST)
    assert result == OpResult(OpOutcome.NOOP)
    assert after is before


@pytest.mark.parametrize(
    ("op", "outcome", "entry"),
    [
        (Insert("Ana", " \n ", "D1:1"), OpOutcome.EMPTY_TEXT, None),
        (Insert("Ana", "x" * 401, "D1:1"), OpOutcome.TEXT_TOO_LONG, None),
        (Insert("Cy", "Cy has a dog.", "D1:1"), OpOutcome.UNKNOWN_SPEAKER, None),
        (Insert("ana", "Ana has a cat.", "D1:1"), OpOutcome.UNKNOWN_SPEAKER, None),
        (Insert("Ana", "Ana has a cat.", "D9:9"), OpOutcome.UNKNOWN_SOURCE, None),
        (Update(3, "Ana has a cat.", "D1:1"), OpOutcome.UNKNOWN_ID, None),
        (Update(0, "Ana has a cat.", "D1:1"), OpOutcome.UNKNOWN_ID, None),
        (Update(-1, "Ana has a cat.", "D1:1"), OpOutcome.UNKNOWN_ID, None),
        (Update(2, "Ana has a cat.", "D1:1"), OpOutcome.ALREADY_DELETED, 2),
        (Update(1, "", "D1:1"), OpOutcome.EMPTY_TEXT, 1),
        (Update(1, "x" * 401, "D1:1"), OpOutcome.TEXT_TOO_LONG, 1),
        (Update(1, "Ana has a cat.", "D9:9"), OpOutcome.UNKNOWN_SOURCE, 1),
        (Update(1, "Ana  has a dog.", "D1:2"), OpOutcome.UNCHANGED, 1),
        (Delete(3), OpOutcome.UNKNOWN_ID, None),
        (Delete(2), OpOutcome.ALREADY_DELETED, 2),
        (Delete(1, "D9:9"), OpOutcome.UNKNOWN_SOURCE, 1),
    ],
)
def test_what_cannot_be_done_is_named_and_leaves_the_bank_as_it_was(
    op: Op, outcome: OpOutcome, entry: int | None
) -> None:
    before, _ = bank_of("Ana has a dog.", "Ana likes jazz.").apply(Delete(2), FIRST)
    after, result = before.apply(op, FIRST)
    assert result == OpResult(outcome, entry)
    assert after is before


def test_the_longest_text_allowed_is_accepted() -> None:
    assert MemoryBank.empty().apply(Insert("Ana", "x" * 400, "D1:1"), FIRST)[1].outcome is OpOutcome.APPLIED


def test_a_full_bank_refuses_new_entries_but_still_merges_updates_and_deletes() -> None:
    full = replace(FIRST, max_entries=1)
    bank = bank_of("Ana has a dog.")
    assert bank.apply(Insert("Ana", "Ana likes jazz.", "D1:1"), full)[1] == OpResult(OpOutcome.BANK_FULL)
    assert bank.apply(Insert("Ana", "Ana has a dog.", "D1:2"), full)[1].outcome is OpOutcome.MERGED_DUPLICATE
    assert bank.apply(Update(1, "Ana has a cat.", "D1:2"), full)[1].outcome is OpOutcome.APPLIED
    emptied, _ = bank.apply(Delete(1), full)
    assert emptied.apply(Insert("Ana", "Ana likes jazz.", "D1:1"), full)[1] == OpResult(OpOutcome.APPLIED, 2)


def test_refused_is_true_exactly_for_what_could_not_be_done() -> None:
    assert {outcome for outcome in OpOutcome if not outcome.refused} == {
        OpOutcome.APPLIED,
        OpOutcome.MERGED_DUPLICATE,
        OpOutcome.NOOP,
        OpOutcome.UNCHANGED,
        OpOutcome.FOUND,
        OpOutcome.NOTHING_FOUND,
    }


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("INSERT", Insert),
        ("ADD", Insert),
        ("update", Update),
        (" Delete ", Delete),
        ("NOOP", Noop),
        ("none", Noop),
        ("MERGE", None),
        ("", None),
    ],
)
def test_operations_are_found_by_name_and_alias(name: str, op: type[Op] | None) -> None:
    assert op_from_name(name) is op


def test_every_operation_is_in_the_table_under_its_own_name() -> None:
    assert {op.name for op in OPS.values()} == {"INSERT", "UPDATE", "DELETE", "NOOP"}
    assert all(OPS[op.name] is op for op in OPS.values())
