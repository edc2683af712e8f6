"""What 1,000 forks of a 500-entry memory bank cost, against the two ways of copying one.

    python benchmarks/fork.py

A fork is what a rerollout needs: its own memory that may change without the parent noticing. Each fork gets one
operation, in turn an insert, an update and a delete. fairmem keeps a reference to the immutable bank; the others
copy a mutable bank (a list of dicts, each with its own 512-number vector, as memory layers commonly keep it) with
`copy.deepcopy` or through `pickle`, and then change the copy. Every way makes the same fork with the same
operation, so the ratios of one run hold on any machine; the copies are timed on fewer forks and scaled.
"""

from __future__ import annotations

import copy
import pickle
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fairmem.memory import Delete, HashedEmbedder, Insert, MemoryBank, Op, OpContext, Update, VectorArena

ENTRIES = 500
FORKS = 1_000
ROUNDS = 3

CONTEXT = OpContext(1, datetime(2023, 5, 7), ("Ana",), frozenset({"D1:1"}))

Mutable = list[dict[str, Any]]


@dataclass(frozen=True)
class Way:
    """One way to fork: `fork(n)` makes fork number n with its operation. `forks` is how many are really made."""

    name: str
    fork: Callable[[int], object]
    forks: int


def operation(number: int) -> Op:
    """The operation of fork `number`."""
    id = number % ENTRIES + 1
    kinds: tuple[Op, ...] = (
        Insert("Ana", f"Ana heard of plan {number}.", "D1:1"),
        Update(id, f"Ana changed her mind about item {number}.", "D1:1"),
        Delete(id, "D1:1"),
    )
    return kinds[number % 3]


def mutate(bank: Mutable, op: Op) -> Mutable:
    """The same operation on a mutable bank."""
    if isinstance(op, Insert):
        bank.append({**bank[-1], "id": len(bank) + 1, "content": op.content})
    elif isinstance(op, Update):
        bank[op.entry - 1].update(content=op.content)
    elif isinstance(op, Delete):
        del bank[op.entry - 1]
    return bank


def full_bank() -> MemoryBank:
    bank = MemoryBank.empty()
    for number in range(ENTRIES):
        content = f"Ana bought item number {number} at the old market near the station of Lodz."
        bank, _ = bank.apply(Insert("Ana", content, "D1:1"), CONTEXT)
    return bank


def mutable_copy(bank: MemoryBank) -> Mutable:
    vectors = VectorArena(HashedEmbedder()).vectors([entry.content for entry in bank.entries])
    return [
        {
            "id": entry.id,
            "speaker": entry.speaker,
            "content": entry.content,
            "session": entry.created_session,
            "time": entry.created_time,
            "sources": list(entry.sources),
            "vector": vector.copy(),
        }
        for entry, vector in zip(bank.entries, vectors, strict=True)
    ]


def seconds(way: Way) -> float:
    """Seconds that `FORKS` forks take, all kept alive."""
    start = time.perf_counter()
    kept = [way.fork(number) for number in range(way.forks)]
    return (time.perf_counter() - start) * FORKS / len(kept)


def kilobytes_per_fork(way: Way) -> float:
    """Memory that one more fork holds on to."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [way.fork(number) for number in range(30)]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / len(kept) / 1024


def main() -> None:
    bank = full_bank()
    plain = mutable_copy(bank)
    ways = (
        Way("fairmem (reference + op)", lambda n: bank.apply(operation(n), CONTEXT), FORKS),
        Way("pickle + op", lambda n: mutate(pickle.loads(pickle.dumps(plain, protocol=5)), operation(n)), 200),
        Way("copy.deepcopy + op", lambda n: mutate(copy.deepcopy(plain), operation(n)), 50),
    )
    # Rounds go around all ways, so that other load on the machine falls on each alike.
    times = list(zip(*([seconds(way) for way in ways] for _ in range(ROUNDS)), strict=True))
    medians = [statistics.median(measured) for measured in times]
    print(f"{FORKS:,} forks of a bank of {ENTRIES} entries, one operation each; median of {ROUNDS} rounds")
    print(f"{'':26}{'seconds':>10}{'ratio':>8}{'KB a fork':>11}{'ratio':>8}")
    held = [kilobytes_per_fork(way) for way in ways]
    for way, median, kilobytes in zip(ways, medians, held, strict=True):
        print(f"{way.name:26}{median:>10.4f}{median / medians[0]:>8.0f}{kilobytes:>11.1f}{kilobytes / held[0]:>8.0f}")


if __name__ == "__main__":
    main()
