from __future__ import annotations

from datetime import datetime

from fairmem.episodes.role_calls import apply_ops
from fairmem.episodes.written import Written, lines, without
from fairmem.memory import Delete, Insert, MemoryBank, Op, OpContext, Update
from fairmem.trace import Line

CONTEXT = OpContext(2, datetime(2023, 5, 7), ("Ana",), frozenset({"D2:1", "D2:2", "D2:3"}))
START, _ = MemoryBank.empty().apply(Insert("Ana", "Ana lives in Paris.", "D2:1"), CONTEXT)


def insert(content: str, source: str = "D2:1") -> Insert:
    return Insert("Ana", content, source)


def told(bank: MemoryBank) -> list[str]:
    return [entry.content for entry in bank.entries]


def left(*replies: tuple[Op, ...], out: tuple[int, int]) -> MemoryBank:
    """The memory of a session's replies without one operation; the bank it was played on is START."""
    bank, records = START, []
    for ops in replies:
        bank, found = apply_ops(bank, ops, CONTEXT)
        records.append(found)
    written = [Written(str(n), (None,) * len(ops), (None,) * len(ops), ops, CONTEXT) for n, ops in enumerate(replies)]
    return without(START, written, records, out)


def test_the_others_are_done_as_they_were() -> None:
    ops = (Update(1, "Ana lives in Lodz.", "D2:1"), insert("Ana runs."), insert("Ana sings."))
    assert told(left(ops, out=(0, 0))) == ["Ana lives in Paris.", "Ana runs.", "Ana sings."]
    assert told(left(ops, out=(0, 1))) == ["Ana lives in Lodz.", "Ana sings."]
    assert told(left(ops[:1], ops[1:], out=(1, 1))) == ["Ana lives in Lodz.", "Ana runs."]


def test_a_later_change_of_an_entry_finds_it_under_its_other_number() -> None:
    # Entries 2 and 3 are made; without the first of them the second is number 2.
    first, later = (insert("Ana runs."), insert("Ana sings.")), (Update(3, "Ana sings well.", "D2:2"),)
    assert told(left(first, later, out=(0, 0))) == ["Ana lives in Paris.", "Ana sings well."]
    assert told(left(first, (Delete(3, "D2:2"),), out=(0, 0))) == ["Ana lives in Paris."]


def test_what_was_to_change_the_entry_that_was_not_made_does_nothing() -> None:
    first, later = (insert("Ana runs."),), (Update(2, "Ana runs far.", "D2:2"), insert("Ana sings."))
    assert told(left(first, later, out=(0, 0))) == ["Ana lives in Paris.", "Ana sings."]


def test_a_second_insert_of_the_same_takes_the_place_of_the_first() -> None:
    same, change = (insert("Ana runs."), insert("Ana runs.", "D2:2")), (Update(2, "Ana runs far.", "D2:3"),)
    assert told(left(same, out=(0, 0))) == ["Ana lives in Paris.", "Ana runs."]
    assert left(same, out=(0, 0)).entries[1].sources == ("D2:2",)
    assert told(left(same, change, out=(0, 0))) == ["Ana lives in Paris.", "Ana runs far."]
    assert left(same, out=(0, 1)).entries[1].sources == ("D2:1",)


def test_the_memory_before_the_session_stays_as_it_is() -> None:
    left((Update(1, "Ana lives in Lodz.", "D2:1"),), out=(0, 0))
    assert told(START) == ["Ana lives in Paris."]


def test_tokens_belong_to_the_line_that_a_character_of_theirs_is_in() -> None:
    # Text "ab\ncde": characters 0, 1 are line one, 3, 4, 5 line two; tokens "a", "b\nc", "d", "" and "e", the end.
    written = Written("t", ((0, 2), (3, 6), None), ("D1:1", "D1:2", "D1:3"))
    assert lines(written, (1, 4, 5, 5, 6, 6)) == (
        Line(first=0, last=2, source="D1:1"),
        Line(first=1, last=5, source="D1:2"),
    )


def test_lines_of_operations_say_which_one() -> None:
    ops = (insert("Ana runs."), insert("Ana sings."))
    written = Written("t", (None, (0, 3)), ("D2:1", "D2:2"), ops, CONTEXT)
    assert lines(written, (1, 3, 3)) == (Line(first=0, last=2, source="D2:2", op=1),)
