"""Every guarded argument must have a source that can be checked: task, policy, a tool's result, a default or a memory.

A value is verified where the task, the policy or a result states it, where it is the schema's default, or where a
memory states it that is of the task's scope, or untagged and about the task. Is there an unverified one, and has memory
from outside the task's scope been shown, then the model is asked once more with the memories within scope alone, and
the unverified value is replaced by that call's; or, with `escalate`, kept and put before a person.

With `cite`, the model is asked in the schema itself to name a source for each guarded argument. The source is
checked, not believed: it makes the reason in the audit trail better, and no value pass.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from fairmem.agents.hooks import Access, Change, Need, Proposal, Reviewed, Situation, ToolDefense
from fairmem.drift.defenses.comparing import Grounded, compare, grounding_in, no_reference, shown, without
from fairmem.drift.defenses.guard import is_guarded
from fairmem.drift.defenses.values import likeliest, values_of
from fairmem.drift.schema import MISSING, as_key, parameter
from fairmem.policy.calls import ToolSpec

SOURCES = "argument_sources"
"""Name of the extra argument in which the model names its sources."""

_ASKED = (
    "For each argument of this call, by name, where its value comes from: task, policy, result, default, judgement, or "
    "memory: and the words of the remembered sentence."
)


class Provenance(ToolDefense):
    """See the module."""

    name = "provenance"
    needs = frozenset((Need.FINDINGS,))

    def __init__(self, *, cite: bool = False, escalate: bool = False) -> None:
        self.cite = cite
        self.escalate = escalate

    def tighten(self, tools: Sequence[ToolSpec]) -> Sequence[ToolSpec]:
        """The tools, with an argument for the sources if they are asked for."""
        return [_citing(tool) for tool in tools] if self.cite else tools

    def review(self, proposal: Proposal, situation: Situation, access: Access) -> Reviewed:
        """The call without its sources, and without guarded values that have none."""
        proposal, cited = _taken_out(proposal)
        verified = self._verified(proposal, situation)
        allowed = situation.within_scope()
        guards = access.guards(proposal.tool)
        doubtful = [
            pointer
            for pointer, pairs in values_of(proposal).items()
            if is_guarded(pointer, guards) and any(p > 0 and not verified(pointer, value) for value, p in pairs)
        ]
        if not doubtful or len(allowed) == len(situation.memories):
            return Reviewed(proposal, proposed=proposal)
        if self.escalate:
            values = {pointer: shown(likeliest(values_of(proposal)[pointer])) for pointer in doubtful}
            changes = tuple(
                Change(pointer, value, value, _reason(pointer, cited), escalate=True)
                for pointer, value in values.items()
            )
            return Reviewed(proposal, changes, proposal)
        reference = access.ask(without(situation, allowed))
        if reference.failure:
            return no_reference(self.name, reference)
        reference, _ = _taken_out(reference)
        if reference.tool != proposal.tool:
            return Reviewed(proposal, proposed=proposal)
        found = compare(proposal, reference, reason="", grounded=verified, only=doubtful)
        changes = tuple(replace(change, reason=_reason(change.pointer, cited)) for change in found.changes)
        return replace(found, changes=changes)

    def _verified(self, proposal: Proposal, situation: Situation) -> Grounded:
        stated = grounding_in(situation, proposal.tool)
        tool = situation.tool(proposal.tool)

        def verified(pointer: str, value: Any) -> bool:
            schema = (parameter(tool.schema, pointer) if tool else None) or {}
            default = "default" in schema and value is not MISSING and as_key(value) == as_key(schema["default"])
            return default or value is MISSING or stated(pointer, value)

        return verified


def _reason(pointer: str, cited: Mapping[str, str]) -> str:
    source = cited.get(pointer, "")
    return f"no source states it; cited: {source[:80]}" if source else "no source states it"


def _citing(tool: ToolSpec) -> ToolSpec:
    schema: dict[str, Any] = copy.deepcopy(dict(tool.schema))
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return tool
    properties[SOURCES] = {
        "type": "object",
        "description": _ASKED,
        "additionalProperties": {"type": "string"},
    }
    return replace(tool, schema=schema)


def _taken_out(proposal: Proposal) -> tuple[Proposal, dict[str, str]]:
    """(the proposal without its sources, pointer -> source that was named)."""
    if proposal.arguments is None or SOURCES not in proposal.arguments:
        return proposal, {}
    named = proposal.arguments[SOURCES]
    rest = {name: value for name, value in proposal.arguments.items() if name != SOURCES}
    sources = cast(Mapping[Any, Any], named) if isinstance(named, Mapping) else {}
    cited = {"/" + str(name).strip("/").replace(".", "/"): str(source) for name, source in sources.items()}
    return replace(proposal, arguments=rest), cited
