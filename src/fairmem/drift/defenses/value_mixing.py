"""Where a model's probabilities of values are known, memory's pull on them is turned down, or off.

l = l_none + beta (l_memory - l_none) for the logits of the values of each parameter, beta being 0 for guarded ones:
contrastive decoding between the prompt with memory and the one without (the form is that of context-aware decoding,
Shi et al., arXiv 2305.14739, with beta below 1). Two readings instead of one; local models and exact ones only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fairmem.agents.hooks import Access, Need, Proposal, Situation, ToolDefense
from fairmem.drift.defenses.comparing import without
from fairmem.drift.defenses.guard import is_guarded
from fairmem.drift.defenses.values import mixed
from fairmem.errors import ConfigError


class ValueMixing(ToolDefense):
    """See the module.

    Args:
        beta: Share of memory's pull that is kept: 0 none, 1 all.
        betas: Tool -> pointer -> beta of one parameter, guarded or not.
    """

    name = "value-mixing"
    needs = frozenset((Need.SCORES,))

    def __init__(self, beta: float = 0.5, betas: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self.beta, self.betas = beta, betas or {}
        for one in (beta, *(value for of_tool in self.betas.values() for value in of_tool.values())):
            if not 0.0 <= one <= 1.0:
                raise ConfigError(f"value mixing: found beta {one}, expected a number in [0, 1]")

    def decode(self, situation: Situation, access: Access) -> Proposal:
        """The distribution with memory, pulled back to the one without."""
        own = access.ask(situation)
        if own.failure or not situation.memories:
            return own
        reference = access.ask(without(situation))
        if reference.failure:
            return replace(reference, failure=f"{self.name}: no reading without memory: {reference.failure}")
        guards, named = access.guards(own.tool), self.betas.get(own.tool or "", {})
        with_memory, bare = own.distribution or {}, reference.distribution or {}
        found = {
            pointer: mixed(
                pairs, bare.get(pointer, pairs), named.get(pointer, 0.0 if is_guarded(pointer, guards) else self.beta)
            )
            for pointer, pairs in with_memory.items()
        }
        return replace(own, distribution=found)
