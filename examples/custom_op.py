"""A memory operation of your own: MERGE makes one entry of two that belong together.

An operation is a frozen record with a `name` and one method, `apply`, that returns the bank after it and an
outcome. It never raises for what a model asked, and the bank it was given never changes. For a model to ask
for it, the manager's prompt and parser (fairmem/agents/manager.py) have to know its form, too.

    python examples/custom_op.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from fairmem.memory import OPS, Delete, Insert, MemoryBank, OpContext, OpOutcome, OpResult, Update


@dataclass(frozen=True, slots=True)
class Merge:
    """Write `content` into entry `first` and delete entry `second`; `source` is the turn that joined them."""

    first: int
    second: int
    content: str
    source: str
    name: ClassVar[str] = "MERGE"

    def apply(self, bank: MemoryBank, context: OpContext) -> tuple[MemoryBank, OpResult]:
        """Both or nothing: what one of the two steps refuses, the merge refuses."""
        if self.first == self.second:
            return bank, OpResult(OpOutcome.UNCHANGED, self.first)
        updated, written = Update(self.first, self.content, self.source).apply(bank, context)
        merged, removed = Delete(self.second, self.source).apply(updated, context)
        kept, gone = merged.get(self.first), merged.get(self.second)
        if written.outcome is not OpOutcome.APPLIED or removed.outcome is not OpOutcome.APPLIED or not (kept and gone):
            return bank, removed if written.outcome is OpOutcome.APPLIED else written
        sources = tuple(dict.fromkeys((*kept.sources, *gone.sources)))
        return merged.with_entry(replace(kept, sources=sources)), OpResult(OpOutcome.APPLIED, self.first)


OPS["MERGE"] = Merge


def main() -> None:
    context = OpContext(3, datetime(2025, 6, 20), speakers=("Ilva",), turn_ids=frozenset({"D3:1", "D3:2"}))
    bank = MemoryBank.empty()
    for text in ("Ilva has a sister.", "Runa broke her ankle."):
        bank, _ = bank.apply(Insert("Ilva", text, "D3:1"), context)

    merged, result = bank.apply(Merge(1, 2, "Ilva's sister Runa broke her ankle.", "D3:2"), context)
    print(f"{result.outcome}, entry {result.entry}")
    print(bank.diff(merged))

    same, result = merged.apply(Merge(1, 7, "Ilva and her dog.", "D3:2"), context)
    print(f"{result.outcome}; the bank is as it was: {same == merged}")


if __name__ == "__main__":
    main()
