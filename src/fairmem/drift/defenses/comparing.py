"""What the defences that compare two calls share: which arguments differ, and what comes in their place."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from fairmem.agents.hooks import Change, Proposal, Remembered, Reviewed, Situation
from fairmem.drift.defenses.grounding import stated_by
from fairmem.drift.defenses.guard import is_guarded
from fairmem.drift.defenses.values import (
    SAME,
    Pairs,
    identity,
    kept_or,
    likeliest,
    total_variation,
    values_of,
    with_values,
)
from fairmem.drift.schema import MISSING, parameter
from fairmem.memory.terms import term_counts

LEFT_OUT: Pairs = [(MISSING, 1.0)]

Grounded = Callable[[str, Any], bool]
"""(pointer, value) -> whether the value may stay although memory moved it."""


def without(situation: Situation, memories: tuple[Remembered, ...] = ()) -> Situation:
    """`situation` with these memories only; a note about memory goes with the last of them."""
    return replace(situation, memories=memories, note=situation.note if memories else "")


def grounding_in(situation: Situation, tool: str | None) -> Grounded:
    """Values that the task, the policy or a tool's result states, or a memory that may.

    A memory may if it is of the task's scope, or, where nobody tagged it, if it shares a word with the task. Tagged
    memories of other scopes may not, whatever they say.
    """
    spec = situation.tool(tool)
    trusted = (situation.task, *situation.policy, *situation.results)
    about = set(term_counts(situation.task)[0])
    untagged = (m for m in situation.memories if not m.scope and about & set(term_counts(m.text)[0]))
    private = tuple(memory.text for memory in (*situation.within_scope(), *untagged))

    @cache
    def stated(pointer: str, written: str) -> bool:
        schema = None if spec is None else parameter(spec.schema, pointer)
        value = json.loads(written)
        return stated_by(trusted, value, pointer, schema, trusted=True) or stated_by(private, value, pointer, schema)

    def grounded(pointer: str, value: Any) -> bool:
        return value is not MISSING and stated(pointer, identity(value))

    return grounded


def compare(
    proposal: Proposal,
    reference: Proposal,
    *,
    reason: str,
    grounded: Grounded,
    permitted: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Reviewed:
    """`proposal` with the values of `reference` wherever the two differ and nothing speaks for the proposal's.

    Args:
        proposal: What the model proposes.
        reference: What it proposes without the memories in question.
        reason: Of the changes.
        grounded: Values that stay.
        permitted: Pointers that memory may move.
        only: Pointers to look at; None for all.
    """
    if proposal.tool != reference.tool:
        return Reviewed(reference, (Change("", proposal.tool, reference.tool, reason),), proposal)
    own, other = values_of(proposal), values_of(reference)
    values: dict[str, Pairs] = {}
    changes: list[Change] = []
    for pointer in {**own, **other}:
        mine, theirs = own.get(pointer, LEFT_OUT), other.get(pointer, LEFT_OUT)
        looked_at = (only is None or is_guarded(pointer, only)) and not is_guarded(pointer, permitted)
        if not looked_at or total_variation(mine, theirs) <= SAME:
            continue
        new = kept_or(mine, theirs, lambda value, pointer=pointer: grounded(pointer, value))
        if total_variation(new, mine) > SAME:
            values[pointer] = new
            changes.append(Change(pointer, shown(likeliest(mine)), shown(likeliest(new)), reason))
    return Reviewed(with_values(proposal, values), tuple(changes), proposal)


def shown(value: Any) -> Any:
    """A value for a record: what is left out is null."""
    return None if value is MISSING else value


def no_reference(name: str, reference: Proposal) -> Reviewed:
    """What comes of a review whose second question got no usable call: the first call is not let through unchecked."""
    return Reviewed(replace(reference, failure=f"{name}: no call to compare with: {reference.failure}"))


Permits = Mapping[str, Collection[str]]
"""Tool -> pointers that memory may move: locale, unit, address and the like."""
