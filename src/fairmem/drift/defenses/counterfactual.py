"""The call is made twice, with memory and without; where they differ, memory moved it, and that needs a permit.

A parameter that differs keeps the value that memory gave it if

- the operator permits memory to move this parameter (`permits`),
- the task, the policy or a tool's result states that value, or
- memories of the task's own scope give it: the second call is made with those and no others, so what they ask for
  is in both. Of a memory that nobody tagged, a sentence about the task that states the very value is a permit for it.

Everything else takes the value of the second call. Two calls instead of one; none is added where all of the memory
shown is within scope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from fairmem.agents.hooks import Access, Proposal, Remembered, Reviewed, Situation, ToolDefense
from fairmem.drift.defenses.attribution import responsible
from fairmem.drift.defenses.comparing import LEFT_OUT, Permits, compare, grounding_in, no_reference, without
from fairmem.drift.defenses.values import total_variation, values_of


class Counterfactual(ToolDefense):
    """See the module."""

    name = "counterfactual"

    def __init__(self, permits: Permits | None = None) -> None:
        self.permits: Permits = permits or {}

    def review(self, proposal: Proposal, situation: Situation, access: Access) -> Reviewed:
        """The call with what memory moved without a permit undone."""
        allowed = situation.within_scope()
        if len(allowed) == len(situation.memories):
            return Reviewed(proposal)
        reference = access.ask(without(situation, allowed))
        if reference.failure:
            return no_reference(self.name, reference)
        found = compare(
            proposal,
            reference,
            reason="memory moved it",
            grounded=grounding_in(situation, proposal.tool),
            permitted=self.permits.get(proposal.tool or "", ()),
        )
        return self._attributed(found, reference, situation, access)

    def _attributed(self, found: Reviewed, reference: Proposal, situation: Situation, access: Access) -> Reviewed:
        return found


class Attribution(Counterfactual):
    """As `Counterfactual`, and finds out for each argument that it resets which memories had moved it.

    More calls: `halving` takes about 2 log2 k where one of k memories is to blame, `leave-one-out` k. A distribution
    that memory moved by less than `least` (total variation) is reset all the same, and not looked into.
    """

    name = "attribution"
    least = 0.01

    def __init__(
        self,
        permits: Permits | None = None,
        *,
        search: Literal["halving", "leave-one-out"] = "halving",
    ) -> None:
        super().__init__(permits)
        self.search: Literal["halving", "leave-one-out"] = search

    def _attributed(self, found: Reviewed, reference: Proposal, situation: Situation, access: Access) -> Reviewed:
        if not found.changes:
            return found
        allowed = {memory.id for memory in situation.within_scope()}
        suspects = tuple(memory for memory in situation.memories if memory.id not in allowed)
        asked: dict[frozenset[str], Proposal] = {frozenset(m.id for m in suspects): found.proposed or found.proposal}

        def call(some: tuple[Remembered, ...]) -> Proposal:
            ids = frozenset(memory.id for memory in some)
            if ids not in asked:
                asked[ids] = access.ask(
                    without(situation, tuple(m for m in situation.memories if m.id in allowed | ids))
                )
            return asked[ids]

        def blamed(pointer: str) -> tuple[str, ...]:
            moved = _moved(pointer, reference, call)
            return responsible(suspects, moved, self.search) if moved(suspects) >= self.least else ()

        changes = tuple(replace(change, entries=blamed(change.pointer)) for change in found.changes)
        return replace(found, changes=changes)


def _moved(
    pointer: str, reference: Proposal, call: Callable[[tuple[Remembered, ...]], Proposal]
) -> Callable[[tuple[Remembered, ...]], float]:
    """How far some memories alone move the argument at `pointer` from its value in `reference`, 0 to 1."""

    def moved(some: tuple[Remembered, ...]) -> float:
        if not some:
            return 0.0
        proposal = call(some)
        if proposal.failure:
            return 0.0
        if not pointer or proposal.tool != reference.tool:
            return float(proposal.tool != reference.tool)
        first, second = (values_of(one).get(pointer, LEFT_OUT) for one in (proposal, reference))
        return total_variation(first, second)

    return moved
