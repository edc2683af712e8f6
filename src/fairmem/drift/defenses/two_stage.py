"""The call is first made without memory; memory then fills in only what was left open.

Filled are the parameters that the operator marks as personal (`permits`: locale, unit, address) and, in a call, those
that the first stage left out and that are not guarded. All others stay as the task alone gave them, those a relevant
memory speaks of included: this defence gives up memory where it matters unless it is told where.
"""

from __future__ import annotations

from fairmem.agents.hooks import Access, Proposal, Situation, ToolDefense
from fairmem.drift.defenses.comparing import Permits, without
from fairmem.drift.defenses.guard import all_pointers, is_guarded
from fairmem.drift.defenses.values import values_of, with_values


class TwoStage(ToolDefense):
    """See the module. The second call is made only where there is something to fill."""

    name = "two-stage"

    def __init__(self, permits: Permits | None = None) -> None:
        self.permits: Permits = permits or {}

    def decode(self, situation: Situation, access: Access) -> Proposal:
        """The call without memory, filled from the one with memory. A second call that fails fills nothing."""
        first = access.ask(without(situation))
        if first.failure or not situation.memories:
            return first
        there = values_of(first)
        tool = situation.tool(first.tool)
        personal = set(self.permits.get(first.tool or "", ()))
        if first.distribution is None and tool is not None:
            guards = access.guards(first.tool)
            personal |= {p for p in all_pointers(tool) if p not in there and not is_guarded(p, guards)}
        if not personal:
            return first
        second = access.ask(situation)
        if second.failure or second.tool != first.tool:
            return first
        filling = {pointer: pairs for pointer, pairs in values_of(second).items() if is_guarded(pointer, personal)}
        return with_values(first, filling)
