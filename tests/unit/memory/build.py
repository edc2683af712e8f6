"""Small banks and contexts for the tests of this folder."""

from __future__ import annotations

from datetime import datetime

from fairmem.memory import Insert, MemoryBank, OpContext, OpOutcome

MAY_7 = datetime(2023, 5, 7, 14, 30)
MAY_9 = datetime(2023, 5, 9, 9, 0)

FIRST = OpContext(1, MAY_7, ("Ana", "Bo"), frozenset({"D1:1", "D1:2", "D1:3"}))
SECOND = OpContext(2, MAY_9, ("Ana", "Bo"), frozenset({"D2:1", "D2:2"}))


def bank_of(*contents: str, speaker: str = "Ana") -> MemoryBank:
    """A bank with one entry per content, all from turn D1:1 in session 1."""
    bank = MemoryBank.empty()
    for content in contents:
        bank, result = bank.apply(Insert(speaker, content, "D1:1"), FIRST)
        assert result.outcome is OpOutcome.APPLIED
    return bank
