"""The tool's schema allows less: bounds, fewer choices, constants, hidden parameters, or a person's approval.

Works at a gateway between model and server: the model is told of the tightened tools, and a call that breaks them all
the same is repaired where that needs no choice (a number goes to its bound, a constant to its value, a hidden
parameter out), else asked for once more, else refused. What the schema still allows, memory can still move; and what it
forbids, a memory that rightly asks for it cannot have.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from fairmem.agents.hooks import Access, Change, Proposal, Reviewed, Situation, ToolDefense
from fairmem.drift.defenses.comparing import shown
from fairmem.drift.defenses.values import Pairs, conditional, likeliest, values_of, with_values
from fairmem.drift.scenario import NominalTarget, NumericTarget, OrdinalTarget, Scenario, Target
from fairmem.drift.schema import MISSING, Schema, misfits, parameter, parts, value_at
from fairmem.errors import DataError
from fairmem.policy.calls import ToolSpec

Rule = Mapping[str, Any]
Rules = Mapping[str, Mapping[str, Rule]]
"""Tool -> pointer -> keywords: minimum, maximum, enum, const, default, required (true), hidden (true)."""

KEYWORDS = ("minimum", "maximum", "enum", "const", "default", "required", "hidden")

REASON = "the tightened schema does not allow it"


class SchemaTightening(ToolDefense):
    """See the module.

    Args:
        rules: What is allowed less.
        approve: Tools each call of which a person has to approve: it is escalated.
    """

    name = "schema-tightening"

    def __init__(self, rules: Rules, approve: Collection[str] = ()) -> None:
        self.rules = rules
        self.approve = frozenset(approve)

    def tighten(self, tools: Sequence[ToolSpec]) -> Sequence[ToolSpec]:
        """The tools as the model is told of them."""
        return [
            replace(tool, schema=tightened(tool.schema, self.rules[tool.name])) if tool.name in self.rules else tool
            for tool in tools
        ]

    def review(self, proposal: Proposal, situation: Situation, access: Access) -> Reviewed:
        """The call within the tightened schema."""
        found = self._within(proposal, situation)
        if isinstance(found, str) and proposal.distribution is None:
            again = access.ask(
                replace(situation, note=f"{situation.note}\nThe last call was rejected: {found}".strip())
            )
            if not again.failure:
                found = self._within(again, situation)
                found = found if isinstance(found, str) else replace(found, proposed=proposal)
        if isinstance(found, str):
            return Reviewed(replace(proposal, failure=f"{REASON}: {found}"), proposed=proposal)
        if proposal.tool in self.approve:
            approval = Change("", proposal.tool, proposal.tool, "calls of this tool need approval", escalate=True)
            found = replace(found, changes=(*found.changes, approval))
        return found

    def _within(self, proposal: Proposal, situation: Situation) -> Reviewed | str:
        """The call, repaired where needed; or what is wrong with it where a repair would need a choice."""
        tool = situation.tool(proposal.tool)
        rules = self.rules.get(proposal.tool or "", {})
        if tool is None or not rules:
            return Reviewed(proposal)
        own = values_of(proposal)
        values: dict[str, Pairs] = {}
        for pointer, rule in rules.items():
            pairs = own.get(pointer)
            if pairs is None:
                if rule.get("required") and proposal.distribution is None:
                    return f"{pointer}: is missing"
                continue
            schema = parameter(tool.schema, pointer)
            if schema is None and not rule.get("hidden"):
                continue
            new = _allowed(pairs, schema)
            if new is None:
                return misfits(likeliest(pairs), schema or {}, pointer)[0]
            if new != pairs:
                values[pointer] = new
        changes = tuple(
            Change(pointer, shown(likeliest(own[pointer])), shown(likeliest(pairs)), REASON)
            for pointer, pairs in values.items()
        )
        return Reviewed(with_values(proposal, values), changes, proposal)


def _allowed(pairs: Pairs, schema: Schema | None) -> Pairs | None:
    """`pairs` within `schema` (None: hidden); None where only a choice could bring them there."""
    if schema is None:
        return [(MISSING, 1.0)]
    given = conditional(pairs, lambda value: not misfits(value, schema))
    if given is not None:
        return given if len(given) < sum(p > 0 for _, p in pairs) else pairs
    repaired = [_repaired(value, schema) for value, _ in pairs]
    if any(misfits(value, schema) for value in repaired):
        return None
    return [(value, p) for value, (_, p) in zip(repaired, pairs, strict=True)]


def _repaired(value: Any, schema: Schema) -> Any:
    if "const" in schema:
        return schema["const"]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return max(schema.get("minimum", value), min(schema.get("maximum", value), value))
    return value


def tightened(schema: Schema, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """A copy of the input schema `schema` under `rules`; a rule for a parameter that is not there does nothing.

    Bounds only come nearer and choices only become fewer: what the server forbids stays forbidden.
    """
    found: dict[str, Any] = copy.deepcopy(dict(schema))
    for pointer, rule in rules.items():
        *above, name = parts(pointer)
        parent: Any = found
        for step in above:
            parent = parent.get("properties", {}).get(step, {})
        properties = parent.get("properties")
        if not isinstance(properties, dict) or not isinstance(properties.get(name), dict):
            continue
        needed = [one for one in parent.get("required", []) if one != name]
        if rule.get("hidden"):
            del properties[name]
            parent["required"] = needed
            continue
        if rule.get("required"):
            parent["required"] = [*needed, name]
        _narrow(cast(dict[str, Any], properties[name]), rule)
    return found


def _narrow(described: dict[str, Any], rule: Rule) -> None:
    nearer: dict[str, Callable[[Any, Any], Any]] = {"minimum": max, "maximum": min}
    for keyword, choose in nearer.items():
        if keyword in rule:
            described[keyword] = choose(described.get(keyword, rule[keyword]), rule[keyword])
    if "enum" in rule:
        described["enum"] = [value for value in described.get("enum", rule["enum"]) if value in rule["enum"]]
    for keyword in ("const", "default"):
        if keyword in rule:
            described[keyword] = rule[keyword]


def read_rules(path: Path) -> Rules:
    """Rules from a JSON file: `{"tool": {"/parameter": {"maximum": 5}}}`.

    Raises:
        DataError: the file is not of that form; the message says where.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object of tools")
    for tool, rules in cast(dict[str, Any], content).items():
        if not isinstance(rules, dict):
            raise DataError(f"{path}: {tool}: expected an object of pointers")
        for pointer, rule in cast(dict[str, Any], rules).items():
            unknown = set(rule) - set(KEYWORDS) if isinstance(rule, dict) else {str(rule)}
            if not pointer.startswith("/") or unknown:
                what = (
                    f"found {', '.join(sorted(unknown))}, expected {', '.join(KEYWORDS)}" if unknown else "no pointer"
                )
                raise DataError(f"{path}: {tool}: {pointer}: {what}")
    return cast(Rules, content)


def rules_of(scenarios: Sequence[Scenario]) -> Rules:
    """What an operator who knows the defensible ranges would write: each watched parameter bounded towards harm.

    It is the most that tightening can do, since real operators know less. Values on the careful side stay allowed;
    of sets nothing is required.
    """
    found: dict[str, dict[str, Rule]] = {}
    for scenario in scenarios:
        rules = {target.pointer: _bound(target, scenario) for target in scenario.targets}
        found.setdefault(scenario.expected_tool, {}).update({p: rule for p, rule in rules.items() if rule})
    return found


def _bound(target: Target, scenario: Scenario) -> Rule:
    match target:
        case NumericTarget():
            low, high = target.reference
            keyword, edge = ("minimum", low) if target.harm_anchor < low else ("maximum", high)
            whole = value_at(scenario.reference_call, target.pointer)
            return {keyword: int(edge) if isinstance(whole, int) and float(edge).is_integer() else edge}
        case OrdinalTarget():
            worst = max(target.order.index(name) for name in target.reference)
            return {"enum": list(target.order[: worst + 1])}
        case NominalTarget():
            texts: dict[str, Any] = {"true": True, "false": False}
            return {"enum": [texts.get(key, key) for key, cost in target.cost.items() if cost <= 0]}
        case _:
            return {}
