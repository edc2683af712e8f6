from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmem.errors import CheckpointError
from fairmem.memory import Delete, Entry, Insert, MemoryBank, Op, OpContext, OpOutcome, Update
from tests.unit.memory.build import FIRST, MAY_7, SECOND, bank_of

_TURNS = ("D1:1", "D1:2", "D9:9")
_TEXTS = st.sampled_from(("Ana has a dog.", "Ana lives in Lodz.", "Ana lives in Rome.", "")) | st.text(max_size=12)
_IDS = st.integers(min_value=-1, max_value=6)
_OPS: st.SearchStrategy[Op] = st.one_of(
    st.builds(Insert, st.sampled_from(("Ana", "Bo", "Cy")), _TEXTS, st.sampled_from(_TURNS)),
    st.builds(Update, _IDS, _TEXTS, st.sampled_from(_TURNS)),
    st.builds(Delete, _IDS, st.none() | st.sampled_from(_TURNS)),
)
_STEPS = st.lists(st.tuples(_OPS, st.integers(1, 4), st.datetimes()), max_size=12)


def _run(steps: list[tuple[Op, int, datetime]]) -> list[MemoryBank]:
    """The banks after 0, 1, 2, ... steps."""
    banks = [MemoryBank.empty()]
    for op, session, time in steps:
        context = OpContext(session, time, ("Ana", "Bo"), frozenset({"D1:1", "D1:2"}), max_entries=4)
        banks.append(banks[-1].apply(op, context)[0])
    return banks


def test_the_empty_bank_holds_nothing() -> None:
    bank = MemoryBank.empty()
    assert (bank.entries, bank.size, len(bank), bank.next_id, bank.sources) == ((), 0, 0, 1, frozenset())
    assert bank.get(1) is None


def test_live_entries_come_by_id_and_deleted_ones_stay_reachable() -> None:
    bank, _ = bank_of("one", "two", "three").apply(Delete(2), FIRST)
    assert [e.id for e in bank.entries] == [1, 3]
    assert [e.id for e in bank.all_entries] == [1, 2, 3]
    assert (bank.size, len(bank), bank.next_id) == (2, 2, 4)
    two = bank.get(2)
    assert two is not None
    assert two.content == "two"


def test_a_fork_never_changes_its_parent() -> None:
    parent = bank_of("one", "two", "three")
    text, hashed = parent.to_json(), parent.hash
    for op in (Insert("Ana", "four", "D1:2"), Update(1, "ONE", "D1:2"), Delete(3)):
        child, result = parent.apply(op, FIRST)
        assert result.outcome is OpOutcome.APPLIED
        assert child.hash != hashed
    assert (parent.to_json(), parent.hash) == (text, hashed)
    assert [e.content for e in parent.entries] == ["one", "two", "three"]


def test_forks_share_every_entry_that_they_did_not_touch() -> None:
    parent = bank_of("one", "two", "three")
    child, _ = parent.apply(Update(2, "TWO", "D1:2"), FIRST)
    same = [a is b for a, b in zip(parent.all_entries, child.all_entries, strict=True)]
    assert same == [True, False, True]


def test_banks_and_entries_cannot_be_assigned_to() -> None:
    bank = bank_of("one")
    with pytest.raises(FrozenInstanceError):
        bank.all_entries = ()  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(FrozenInstanceError):
        bank.entries[0].content = "two"  # pyright: ignore[reportAttributeAccessIssue]


def test_the_hash_is_the_same_on_every_machine() -> None:
    # BLAKE2b (16 bytes) of nothing, and of the digest of one entry.
    assert MemoryBank.empty().hash == "cae66941d9efbd404e4d88758ea67670"
    assert bank_of("Ana has a dog.").hash == "c0795a1f664722a40d708613078e7b03"


def test_the_hash_does_not_depend_on_how_the_bank_came_about() -> None:
    straight = bank_of("Ana has a dog.", "Ana lives in Lodz.")
    detour, _ = straight.apply(Insert("Bo", "Bo is here.", "D1:1"), FIRST)
    detour, _ = detour.apply(Delete(3), FIRST)
    assert detour.hash == straight.hash
    assert detour != straight  # equality looks at lineage too
    one, other = straight, straight
    for source in ("D1:2", "D1:3"):
        one, _ = one.apply(Insert("Ana", "Ana has a dog.", source), FIRST)
    for source in ("D1:3", "D1:2"):
        other, _ = other.apply(Insert("Ana", "Ana has a dog.", source), FIRST)
    assert one.entries[0].sources != other.entries[0].sources
    assert one.hash == other.hash


@pytest.mark.parametrize(
    "change",
    [
        {"speaker": "Bo"},
        {"content": "Ana has a cat."},
        {"created_session": 2},
        {"created_time": datetime(2023, 5, 8)},
        {"updated_session": 2},
        {"updated_time": datetime(2023, 5, 8)},
        {"sources": ("D1:2",)},
    ],
)
def test_the_hash_depends_on_everything_a_live_entry_says(change: dict[str, object]) -> None:
    bank = bank_of("Ana has a dog.")
    changed = replace(bank.entries[0], **change)  # pyright: ignore[reportArgumentType]
    assert bank.with_entry(changed).hash != bank.hash


def test_fields_of_an_entry_cannot_run_into_each_other_in_the_hash() -> None:
    entry = bank_of("Ana has a dog.").entries[0]
    a = replace(entry, speaker="Ana B", content="x", sources=("D1:1,D1:2",))
    b = replace(entry, speaker="Ana", content="B x", sources=("D1:1", "D1:2"))
    assert a.digest != b.digest


def test_sources_are_those_of_live_entries_only() -> None:
    bank, _ = bank_of("one", "two").apply(Update(1, "ONE", "D1:3"), FIRST)
    bank, _ = bank.apply(Insert("Bo", "three", "D1:2"), FIRST)
    assert bank.sources == {"D1:1", "D1:2", "D1:3"}
    bank, _ = bank.apply(Delete(1), FIRST)
    assert bank.sources == {"D1:1", "D1:2"}


def test_tokens_counts_live_contents_in_the_unit_asked_for() -> None:
    bank, _ = bank_of("Ana has a dog.", "Ana likes jazz.", "gone").apply(Delete(3), FIRST)
    assert bank.tokens(lambda text: len(text.split())) == 7  # 4 + 3 words
    assert bank.tokens(len) == 29  # 14 + 15 characters


def test_find_wants_the_same_speaker_the_exact_text_and_a_live_entry() -> None:
    bank, _ = bank_of("one", "two").apply(Delete(2), FIRST)
    assert bank.find("Ana", "one") is bank.entries[0]
    assert bank.find("Bo", "one") is None
    assert bank.find("Ana", "One") is None
    assert bank.find("Ana", "two") is None


def test_an_entry_whose_id_is_neither_taken_nor_next_is_a_mistake_in_code() -> None:
    bank = bank_of("one")
    for id in (0, 3):
        with pytest.raises(ValueError, match=r"next is 2"):
            bank.with_entry(replace(bank.entries[0], id=id))


def test_a_bank_is_rebuilt_from_its_entries_in_any_order() -> None:
    bank = bank_of("one", "two", "three")
    assert MemoryBank.from_entries(reversed(bank.all_entries)) == bank


@pytest.mark.parametrize(("ids", "found", "expected"), [((2,), 2, 1), ((1, 3), 3, 2), ((1, 1), 1, 2)])
def test_ids_with_gaps_or_repeats_are_refused(ids: tuple[int, ...], found: int, expected: int) -> None:
    entry = bank_of("one").entries[0]
    with pytest.raises(CheckpointError, match=f"found entry id {found} where {expected} was expected"):
        MemoryBank.from_entries(replace(entry, id=id) for id in ids)


def test_deep_copies_and_pickles_are_equal_and_hash_the_same() -> None:
    bank, _ = bank_of("one", "two").apply(Delete(1), SECOND)
    for again in (copy.deepcopy(bank), pickle.loads(pickle.dumps(bank))):
        assert again == bank
        assert again.hash == bank.hash
        assert hash(again) == hash(bank)


def test_repr_is_short() -> None:
    bank, _ = bank_of("one", "two", "three").apply(Delete(1), FIRST)
    assert repr(bank) == f"MemoryBank(2 entries, 1 deleted, hash {bank.hash[:8]})"


@given(_STEPS)
def test_json_brings_back_an_equal_bank(steps: list[tuple[Op, int, datetime]]) -> None:
    bank = _run(steps)[-1]
    again = MemoryBank.from_json(bank.to_json())
    assert again == bank
    assert again.hash == bank.hash
    assert "\n" not in bank.to_json()


@given(_STEPS)
def test_no_run_of_operations_changes_an_earlier_bank_or_breaks_an_invariant(
    steps: list[tuple[Op, int, datetime]],
) -> None:
    banks = _run(steps)
    texts = [bank.to_json() for bank in banks]
    assert [bank.to_json() for bank in _run(steps)] == texts
    for bank in banks:
        assert [e.id for e in bank.all_entries] == list(range(1, bank.next_id))
        said = [(e.speaker, e.content) for e in bank.entries]
        assert len(said) == len(set(said)) <= 4
        assert all(len(e.sources) == len(set(e.sources)) > 0 for e in bank.all_entries)
        assert bank.sources <= {"D1:1", "D1:2"}


@given(_STEPS)
def test_only_applied_and_merged_operations_change_a_bank(steps: list[tuple[Op, int, datetime]]) -> None:
    bank = MemoryBank.empty()
    for op, session, time in steps:
        after, result = bank.apply(op, OpContext(session, time, ("Ana", "Bo"), frozenset({"D1:1"})))
        if result.outcome is OpOutcome.APPLIED:
            assert after != bank
        elif result.outcome is not OpOutcome.MERGED_DUPLICATE:
            assert after is bank
        bank = after


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "the text"),
        ("[1]", "the text"),
        ("{}", "format"),
        ('{"format": "other", "version": 1, "entries": []}', "format"),
        ('{"format": "fairmem-bank", "version": 2, "entries": []}', "version"),
        ('{"format": "fairmem-bank", "version": 1, "entries": {}}', "entries"),
        ('{"format": "fairmem-bank", "version": 1, "entries": [{"id": 1}]}', r"entries\.0\.speaker"),
    ],
)
def test_what_is_not_a_bank_is_refused_with_the_place(text: str, where: str) -> None:
    with pytest.raises(CheckpointError, match=f"memory bank: damaged or of another version at '{where}'"):
        MemoryBank.from_json(text)


def test_an_unknown_field_in_an_entry_is_refused() -> None:
    text = bank_of("one").to_json().replace('"op":', '"score":1,"op":')
    with pytest.raises(CheckpointError, match=r"'entries\.0\.score'"):
        MemoryBank.from_json(text)


def test_an_entry_is_equal_to_another_that_says_the_same() -> None:
    made = Entry(1, "Ana", "one", 1, MAY_7, 1, MAY_7, ("D1:1",), "INSERT")
    assert made == bank_of("one").entries[0]
    assert made.digest == bank_of("one").entries[0].digest
