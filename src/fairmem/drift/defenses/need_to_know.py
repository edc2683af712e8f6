"""Memory reaches a call that can do harm only if it has to: scopes of memories against guarded parameters of tools.

Where a tool on offer has parameters that the static scan would guard, memories are shown only if they are of an area
that these parameters may know of: by default that of the task. It works before the prompt, so it costs nothing, and it
is as good as the scan and as the scopes: an untagged memory counts as none that may be known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from fairmem.agents.hooks import Access, Need, Remembered, Situation, ToolDefense


class NeedToKnow(ToolDefense):
    """See the module.

    Args:
        allow: Tool -> pointer -> scopes that may reach this guarded parameter, in place of the task's; none of them
            denies it all memory.
    """

    name = "need-to-know"
    needs = frozenset((Need.FINDINGS,))

    def __init__(self, allow: Mapping[str, Mapping[str, Collection[str]]] | None = None) -> None:
        self.allow = allow or {}

    def prepare(self, situation: Situation, access: Access) -> Situation:
        """The situation with the memories that every guarded parameter on offer may know of."""
        rules = [
            set(self.allow.get(tool.name, {}).get(pointer, situation.scope))
            for tool in situation.tools
            for pointer in sorted(access.guards(tool.name))
        ]

        def may_pass(memory: Remembered) -> bool:
            return all(scopes & set(memory.scope) for scopes in rules)

        return replace(situation, memories=tuple(filter(may_pass, situation.memories)))
