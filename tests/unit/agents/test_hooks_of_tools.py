from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fairmem.agents.hooks import (
    Access,
    Change,
    Need,
    Proposal,
    Remembered,
    Reviewed,
    Situation,
    ToolDefense,
    call_with,
)
from fairmem.policy.calls import ToolSpec

TOOL = ToolSpec("pay", "Pay.", {"type": "object", "properties": {}})
ASKED = Situation("Pay the bill.", (TOOL,), (Remembered("a", "x", ("work",)), Remembered("b", "y")), scope=("work",))


class Everywhere(ToolDefense):
    """Leaves a mark at each place."""

    name = "everywhere"

    def __init__(self) -> None:
        self.places: list[str] = []

    def prepare(self, situation: Situation, access: Access) -> Situation:
        self.places.append("prepare")
        return replace(situation, memories=situation.memories[:1])

    def tighten(self, tools: Sequence[ToolSpec]) -> Sequence[ToolSpec]:
        self.places.append("tighten")
        return [replace(tool, description="Tight.") for tool in tools]

    def decode(self, situation: Situation, access: Access) -> Proposal:
        self.places.append("decode")
        return access.ask(situation)

    def review(self, proposal: Proposal, situation: Situation, access: Access) -> Reviewed:
        self.places.append("review")
        return Reviewed(Proposal("pay", {"cents": 1}), (Change("/cents", 2, 1, "less"),))


def test_the_four_places_come_in_order_and_each_sees_what_the_one_before_it_did() -> None:
    seen: list[Situation] = []

    def ask(situation: Situation) -> Proposal:
        seen.append(situation)
        return Proposal("pay", {"cents": 2})

    defense = Everywhere()
    found = call_with(defense, ASKED, Access(ask))
    assert defense.places == ["prepare", "tighten", "decode", "review"]
    assert seen[0].tools[0].description == "Tight." and [m.id for m in seen[0].memories] == ["a"]
    assert found.proposal.arguments == {"cents": 1} and found.shown == ("a",) and not found.escalated
    assert found.proposed is not None and found.proposed.arguments == {"cents": 2}


def test_a_defense_that_does_nothing_lets_the_call_through() -> None:
    found = call_with(ToolDefense(), ASKED, Access(lambda _: Proposal("pay", {"cents": 2})))
    assert found.proposal == Proposal("pay", {"cents": 2}) and found.shown == ("a", "b") and not found.changes


def test_a_failed_call_is_not_reviewed() -> None:
    defense = Everywhere()
    found = call_with(defense, ASKED, Access(lambda _: Proposal(None, failure="no_call")))
    assert found.proposal.failure == "no_call" and defense.places[-1] == "decode"


def test_what_is_missing_is_named() -> None:
    class Needy(ToolDefense):
        name = "needy"
        needs = frozenset((Need.SCORES, Need.CHAT))

    with pytest.raises(ValueError, match="needy needs a model that writes text, the model's probabilities of values"):
        call_with(Needy(), ASKED, Access(lambda _: Proposal("pay", {})))
    given = Access(lambda _: Proposal("pay", {}), chat=lambda _, __: "", scores=True)
    assert call_with(Needy(), ASKED, given).proposal.tool == "pay"


def test_scopes_that_meet_are_within_scope_and_untagged_memories_are_not() -> None:
    assert [m.id for m in ASKED.within_scope()] == ["a"]
    assert ASKED.tool("pay") == TOOL and ASKED.tool("other") is None and ASKED.tool(None) is None
