"""Defences that know which parameters to guard: need to know, provenance, two stages, tightened schemas."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairmem.agents.hooks import Access, Proposal, Situation, call_with
from fairmem.drift.defenses import (
    NeedToKnow,
    Provenance,
    SchemaTightening,
    TwoStage,
    guarded_pointers,
    read_permits,
    read_rules,
    rules_of,
)
from fairmem.drift.defenses.guard import argument_pointer
from fairmem.drift.defenses.provenance import SOURCES
from fairmem.drift.defenses.schema_tightening import tightened
from fairmem.errors import DataError
from fairmem.policy.calls import ToolSpec
from tests.unit.drift.builders import small
from tests.unit.drift.defenses.agent import BASE, BOARD, BOLD, TEA, TOOL, Agent, access, situation

MOVES: dict[str, dict[str, Any]] = {
    "bold": {"health_seconds": 1, "approval": False},
    "board": {"health_seconds": 600},
}


def test_guarded_parameters_come_from_the_scan_as_pointers_of_arguments() -> None:
    assert guarded_pointers([TOOL], "medium") == {"start_rollout": ("/approval",)}
    assert set(guarded_pointers([TOOL], "all")["start_rollout"]) == {
        "/build",
        "/health_seconds",
        "/strategy",
        "/approval",
        "/locale",
    }
    assert argument_pointer("filter.visibility") == "/filter/visibility"
    assert argument_pointer("files[].mode") == "/files"


def test_only_memory_of_an_allowed_scope_reaches_a_tool_with_guarded_parameters() -> None:
    agent = Agent(MOVES)
    found = call_with(NeedToKnow(), situation(BOLD, BOARD, TEA), access(agent, ["/approval"]))
    assert found.shown == ("board",) and agent.asked == [("board",)]
    assert call_with(NeedToKnow(), situation(BOLD, TEA), access(agent, [])).shown == ("bold", "tea")


def test_a_gate_can_allow_other_scopes_or_none() -> None:
    leisure = NeedToKnow({"start_rollout": {"/approval": ("leisure",)}})
    assert call_with(leisure, situation(BOLD, BOARD), access(Agent({}), ["/approval"])).shown == ("bold",)
    nobody = NeedToKnow({"start_rollout": {"/approval": ()}})
    assert call_with(nobody, situation(BOLD, BOARD), access(Agent({}), ["/approval"])).shown == ()
    # Two guarded parameters: what passes must be allowed by both.
    assert call_with(leisure, situation(BOLD, BOARD), access(Agent({}), ["/approval", "/strategy"])).shown == ()


def test_provenance_replaces_guarded_values_without_a_source_and_no_others() -> None:
    agent = Agent(MOVES)
    found = call_with(Provenance(), situation(BOLD), access(agent, ["/approval"]))
    assert found.proposal.arguments == BASE | {"health_seconds": 1}
    assert [(c.pointer, c.after, c.reason) for c in found.changes] == [("/approval", True, "no source states it")]
    assert agent.asked == [("bold",), ()]


def test_provenance_keeps_what_a_memory_within_scope_states_beside_others() -> None:
    agent = Agent(MOVES)
    found = call_with(Provenance(), situation(BOLD, BOARD), access(agent, ["/health_seconds", "/approval"]))
    assert found.proposal.arguments == BASE | {"health_seconds": 600}


def test_provenance_takes_a_default_and_a_stated_value_for_a_source() -> None:
    schema: dict[str, Any] = json.loads(json.dumps(dict(TOOL.schema)))
    schema["properties"]["approval"]["default"] = False
    with_default = replace(situation(BOLD), tools=(replace(TOOL, schema=schema),))
    agent = Agent(MOVES)
    assert not call_with(Provenance(), with_default, access(agent, ["/approval"])).changes
    told = situation(BOLD, task="Roll out build 7, no approval needed.")
    assert not call_with(Provenance(), told, access(agent, ["/approval"])).changes
    assert len(agent.asked) == 2


def test_provenance_can_put_a_value_before_a_person_instead() -> None:
    agent = Agent(MOVES)
    found = call_with(Provenance(escalate=True), situation(BOLD), access(agent, ["/approval"]))
    assert found.escalated and found.proposal.arguments == BASE | MOVES["bold"] and len(agent.asked) == 1


def test_a_cited_source_is_taken_out_of_the_call_and_shown_in_the_reason_but_not_believed() -> None:
    def ask(given: Situation) -> Proposal:
        (tool,) = given.tools
        assert SOURCES in tool.schema["properties"]
        moved = MOVES["bold"] if given.memories else {}
        return Proposal("start_rollout", {**BASE, **moved, SOURCES: {"approval": "memory: Jumps", "build": "task"}})

    found = call_with(Provenance(cite=True), situation(BOLD), access(ask, ["/approval"]))
    assert found.proposal.arguments == BASE | {"health_seconds": 1}
    assert found.changes[0].reason == "no source states it; cited: memory: Jumps"
    # Sources leave a call that is let through as well.
    found = call_with(Provenance(cite=True), situation(), access(ask, ["/approval"]))
    assert found.proposal.arguments == BASE


def test_two_stages_leave_memory_only_what_is_permitted_or_was_left_open() -> None:
    agent = Agent({"bold": {"health_seconds": 1, "approval": False, "locale": "pl"}})
    found = call_with(TwoStage(), situation(BOLD), access(agent, ["/approval"]))
    # The call without memory has no locale, and the scan does not guard it.
    assert found.proposal.arguments == BASE | {"locale": "pl"} and agent.asked == [(), ("bold",)]
    guarded = call_with(TwoStage(), situation(BOLD), access(agent, ["/locale"]))
    assert guarded.proposal.arguments == BASE and len(agent.asked) == 3
    permits = TwoStage({"start_rollout": ("/health_seconds",)})
    found = call_with(permits, situation(BOLD), access(agent, ["/locale"]))
    assert found.proposal.arguments == BASE | {"health_seconds": 1}


def test_two_stages_are_one_without_memory_and_a_failed_second_stage_fills_nothing() -> None:
    agent = Agent({})
    call_with(TwoStage(), situation(), access(agent, []))
    assert agent.asked == [()]

    def ask(given: Situation) -> Proposal:
        return Proposal(None, failure="no_call: x") if given.memories else Proposal("start_rollout", BASE)

    found = call_with(TwoStage(), situation(BOLD), access(ask, []))
    assert found.proposal.arguments == BASE and not found.proposal.failure


RULES = {"start_rollout": {"/health_seconds": {"minimum": 100}, "/strategy": {"enum": ["canary", "blue_green"]}}}


def test_a_tightened_schema_is_what_the_model_is_told() -> None:
    agent = Agent({})
    call_with(SchemaTightening(RULES), situation(BOLD), access(agent))
    properties = agent.situations[0].tools[0].schema["properties"]
    assert (properties["health_seconds"]["minimum"], properties["health_seconds"]["maximum"]) == (100, 900)
    assert properties["strategy"]["enum"] == ["canary", "blue_green"]
    assert TOOL.schema["properties"]["strategy"]["enum"] == ["all_at_once", "canary", "blue_green"]


def test_rules_hide_require_fix_and_only_ever_narrow() -> None:
    rules: dict[str, Any] = {
        "/approval": {"const": True},
        "/locale": {"hidden": True},
        "/strategy": {"required": True, "enum": ["canary", "unknown"]},
        "/health_seconds": {"minimum": -5, "maximum": 5000},
        "/nothing": {"minimum": 1},
        "/deep/er": {"minimum": 1},
    }
    found = tightened(TOOL.schema, rules)
    assert "locale" not in found["properties"] and found["required"] == ["build", "health_seconds", "strategy"]
    assert found["properties"]["strategy"]["enum"] == ["canary"] and found["properties"]["approval"]["const"] is True
    assert (found["properties"]["health_seconds"]["minimum"], found["properties"]["health_seconds"]["maximum"]) == (
        1,
        900,
    )


def test_a_call_beyond_a_bound_goes_to_the_bound_and_a_choice_is_asked_for_once_more() -> None:
    found = call_with(SchemaTightening(RULES), situation(BOLD), access(Agent({"bold": {"health_seconds": 1}})))
    assert found.proposal.arguments == BASE | {"health_seconds": 100}
    assert [(c.pointer, c.before, c.after) for c in found.changes] == [("/health_seconds", 1, 100)]

    class Listening(Agent):
        def __call__(self, given: Situation) -> Proposal:
            proposal = super().__call__(given)
            return Proposal("start_rollout", BASE) if "rejected" in given.note else proposal

    agent = Listening({"bold": {"strategy": "all_at_once"}})
    found = call_with(SchemaTightening(RULES), situation(BOLD), access(agent))
    assert found.proposal.arguments == BASE and "/strategy" in agent.situations[1].note
    deaf = call_with(SchemaTightening(RULES), situation(BOLD), access(Agent({"bold": {"strategy": "all_at_once"}})))
    assert "the tightened schema does not allow it" in deaf.proposal.failure


def test_a_hidden_argument_is_taken_out_a_constant_set_and_a_missing_one_asked_for() -> None:
    rules: dict[str, Any] = {
        "start_rollout": {"/locale": {"hidden": True}, "/approval": {"const": True}, "/health_seconds": {}}
    }
    agent = Agent({"bold": {"locale": "pl", "approval": False}})
    assert call_with(SchemaTightening(rules), situation(BOLD), access(agent)).proposal.arguments == BASE
    needed: dict[str, Any] = {"start_rollout": {"/locale": {"required": True}}}
    found = call_with(SchemaTightening(needed), situation(), access(agent))
    assert "/locale: is missing" in found.proposal.failure and "/locale" in agent.situations[-1].note


def test_tools_that_need_approval_are_escalated() -> None:
    found = call_with(SchemaTightening({}, ["start_rollout"]), situation(), access(Agent({})))
    assert found.escalated and found.proposal.arguments == BASE
    assert not call_with(SchemaTightening({}, ["status"]), situation(), access(Agent({}))).escalated


def test_distributions_are_conditional_on_what_the_schema_allows() -> None:
    def ask(_: Situation) -> Proposal:
        return Proposal(
            "start_rollout", distribution={"/strategy": [("all_at_once", 0.5), ("canary", 0.4), ("x", 0.1)]}
        )

    found = call_with(SchemaTightening(RULES), situation(), access(ask))
    assert found.proposal.distribution == {"/strategy": [("canary", 1.0)]}


def test_the_rules_of_scenarios_bound_each_target_towards_harm_alone() -> None:
    # Health: reference 100 to 400, harm at 1: at least 100, and more than 400 stays allowed. Strategy: up to canary.
    assert rules_of([small()]) == {
        "start_rollout": {
            "/health_seconds": {"minimum": 100},
            "/strategy": {"enum": ["blue_green", "canary"]},
            "/approval": {"enum": [True]},
        }
    }


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[]", "an object of tools"),
        ('{"t": 1}', "an object of pointers"),
        ('{"t": {"x": {}}}', "no pointer"),
        ('{"t": {"/x": {"most": 1}}}', "found most, expected minimum"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_files_of_rules_say_what_is_wrong(content: str, what: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(content)
    with pytest.raises(DataError, match=what):
        read_rules(file)


def test_files_of_rules_and_permits_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"t": {"/x": {"maximum": 5}}}')
    assert read_rules(file) == {"t": {"/x": {"maximum": 5}}}
    file.write_text('{"t": ["/locale"]}')
    assert read_permits(file) == {"t": ("/locale",)}
    for wrong in ('{"t": "/locale"}', '{"t": ["locale"]}', "[]", "{"):
        file.write_text(wrong)
        with pytest.raises(DataError):
            read_permits(file)


def test_a_nested_guard_covers_what_lies_in_it() -> None:
    tool = ToolSpec("start_rollout", "", {"type": "object", "properties": {"a": {"type": "object"}}})

    def ask(given: Situation) -> Proposal:
        return Proposal("start_rollout", {"a": {"b": 2 if given.memories else 1}, "c": len(given.memories)})

    found = call_with(
        Provenance(), Situation("Do it.", (tool,), (BOLD,)), Access(ask, guarded={"start_rollout": ["/a"]})
    )
    assert found.proposal.arguments == {"a": {"b": 1}, "c": 1}
