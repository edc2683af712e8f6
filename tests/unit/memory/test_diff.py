from __future__ import annotations

from dataclasses import replace

from fairmem.memory import BankDiff, Delete, Insert, MemoryBank, Update
from tests.unit.memory.build import FIRST, SECOND, bank_of


def test_a_diff_lists_what_came_changed_and_went() -> None:
    before = bank_of("Ana lives in Paris.", "Ana has a dog.", "Ana likes jazz.")
    after, _ = before.apply(Update(1, "Ana lives in Lodz.", "D2:1"), SECOND)
    after, _ = after.apply(Delete(2), SECOND)
    after, _ = after.apply(Insert("Bo", "Bo plays chess.", "D2:2"), SECOND)
    diff = before.diff(after)
    assert diff == BankDiff(
        added=(after.entries[2],), changed=((before.entries[0], after.entries[0]),), removed=(before.entries[1],)
    )
    assert str(diff) == (
        "~ 1 Ana: Ana lives in Paris. -> Ana lives in Lodz. [+D2:1]\n"
        "- 2 Ana: Ana has a dog.\n"
        "+ 4 Bo: Bo plays chess. [D2:2]"
    )


def test_lines_are_ordered_by_number_not_by_spelling() -> None:
    after = bank_of(*(f"fact {n}" for n in range(1, 12)))
    numbers = [line.split()[1] for line in str(MemoryBank.empty().diff(after)).splitlines()]
    assert numbers == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]


def test_a_confirmed_entry_is_a_change_that_says_when() -> None:
    before = bank_of("Ana has a dog.")
    after, _ = before.apply(Insert("Ana", "Ana has a dog.", "D2:1"), SECOND)
    assert str(before.diff(after)) == "= 1 Ana: Ana has a dog. (confirmed 9 May 2023) [+D2:1]"


def test_a_new_source_alone_is_a_change() -> None:
    before = bank_of("Ana has a dog.")
    after, _ = before.apply(Insert("Ana", "Ana has a dog.", "D1:2"), FIRST)
    assert str(before.diff(after)) == "= 1 Ana: Ana has a dog. [+D1:2]"
    assert str(after.diff(before)) == "= 1 Ana: Ana has a dog. [-D1:2]"


def test_a_change_of_speaker_names_both() -> None:
    before = bank_of("likes jazz.")
    after = before.with_entry(replace(before.entries[0], speaker="Bo"))
    assert str(before.diff(after)) == "~ 1 Ana -> Bo: likes jazz. -> likes jazz."


def test_equal_banks_have_an_empty_diff() -> None:
    diff = bank_of("one").diff(bank_of("one"))
    assert not diff
    assert diff == BankDiff()
    assert str(diff) == "no change"


def test_forks_are_compared_by_what_is_live() -> None:
    root = bank_of("one")
    left, _ = root.apply(Insert("Ana", "two", "D1:1"), FIRST)
    right, _ = root.apply(Insert("Ana", "three", "D1:1"), FIRST)
    assert str(left.diff(right)) == "~ 2 Ana: two -> three"
