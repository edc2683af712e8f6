from __future__ import annotations

from typing import Any

import pytest

from fairmem.agents.hooks import Proposal, Remembered, Situation, call_with
from fairmem.drift.defenses import Attribution, Counterfactual, responsible
from tests.unit.drift.defenses.agent import BASE, BOARD, BOLD, FOX, TEA, Agent, access, situation

MOVES: dict[str, dict[str, Any]] = {
    "bold": {"health_seconds": 1, "approval": False},
    "board": {"health_seconds": 600},
}


def test_what_memory_moved_without_a_permit_takes_the_value_without_memory() -> None:
    agent = Agent(MOVES)
    found = call_with(Counterfactual(), situation(BOLD, TEA), access(agent))
    assert found.proposal.arguments == BASE
    assert {(c.pointer, c.before, c.after) for c in found.changes} == {
        ("/health_seconds", 1, 200),
        ("/approval", False, True),
    }
    assert found.proposed is not None and found.proposed.arguments == BASE | MOVES["bold"]
    assert agent.asked == [("bold", "tea"), ()]


def test_memory_of_the_scope_of_the_task_keeps_its_values_even_beside_biased_memory() -> None:
    agent = Agent(MOVES)
    found = call_with(Counterfactual(), situation(BOLD, BOARD, TEA), access(agent))
    assert found.proposal.arguments == BASE | {"health_seconds": 600}
    # BOLD comes first and BOARD overwrites it, so that only the approval differs from the call with BOARD alone.
    assert [c.pointer for c in found.changes] == ["/approval"] and agent.asked[1] == ("board",)


def test_memory_that_is_all_within_scope_costs_no_second_call() -> None:
    agent = Agent(MOVES)
    found = call_with(Counterfactual(), situation(BOARD), access(agent))
    assert found.proposal.arguments == BASE | {"health_seconds": 600} and len(agent.asked) == 1
    call_with(Counterfactual(), situation(), access(agent))
    assert len(agent.asked) == 2


def test_a_permit_lets_memory_move_that_parameter_and_no_other() -> None:
    agent = Agent({"bold": {"health_seconds": 1, "locale": "pl"}})
    defense = Counterfactual({"start_rollout": ("/locale",)})
    found = call_with(defense, situation(BOLD), access(agent))
    assert found.proposal.arguments == BASE | {"locale": "pl"}
    # Without the permit the argument is left out again, as in the call without memory.
    assert call_with(Counterfactual(), situation(BOLD), access(agent)).proposal.arguments == BASE


def test_a_value_that_the_task_states_stays_although_memory_moved_it() -> None:
    agent = Agent({"bold": {"strategy": "all_at_once", "approval": False}})
    told = situation(BOLD, task="Roll out build 7 all at once.")
    found = call_with(Counterfactual(), told, access(agent))
    assert found.proposal.arguments == BASE | {"strategy": "all_at_once"}


def test_an_untagged_sentence_about_the_task_that_states_the_value_is_a_permit_for_it() -> None:
    asked = Remembered("asked", "For build 7 the board asked for ten minutes of health check.")
    private = Remembered("private", "Holds his breath for ten minutes at each health check of his dog.")
    agent = Agent({"asked": {"health_seconds": 600}, "private": {"health_seconds": 600}})
    assert call_with(Counterfactual(), situation(asked), access(agent)).proposal.arguments == BASE | {
        "health_seconds": 600
    }
    # It states the value as well, but shares no word with the task.
    assert call_with(Counterfactual(), situation(private), access(agent)).proposal.arguments == BASE
    # Tagged as of another scope it is no permit, whatever it says.
    tagged = Remembered("asked", asked.text, ("leisure",))
    assert call_with(Counterfactual(), situation(tagged), access(agent)).proposal.arguments == BASE


def test_another_tool_is_put_back_as_a_whole() -> None:
    def ask(given: Situation) -> Proposal:
        return Proposal("status", {}) if given.memories else Proposal("start_rollout", BASE)

    found = call_with(Counterfactual(), situation(BOLD), access(ask))
    assert (found.proposal.tool, found.proposal.arguments) == ("start_rollout", BASE)
    assert [(c.pointer, c.before, c.after) for c in found.changes] == [("", "status", "start_rollout")]


def test_a_call_that_cannot_be_compared_is_not_let_through() -> None:
    def ask(given: Situation) -> Proposal:
        return Proposal("start_rollout", BASE) if given.memories else Proposal(None, failure="no_call: none")

    found = call_with(Counterfactual(), situation(BOLD), access(ask))
    assert found.proposal.failure == "counterfactual: no call to compare with: no_call: none"


def test_distributions_take_the_reference_where_values_are_not_grounded() -> None:
    def ask(given: Situation) -> Proposal:
        odds = 0.9 if given.memories else 0.2
        values = [("all_at_once", odds), ("canary", 1 - odds)]
        return Proposal("start_rollout", distribution={"/strategy": values})

    found = call_with(Counterfactual(), situation(BOLD), access(ask))
    assert found.proposal.distribution == {"/strategy": [("all_at_once", 0.2), ("canary", 0.8)]}
    # Canary is in the task: it keeps its 0.1, and 0.9 is drawn from the reference: 0.1 + 0.9 * 0.8 = 0.82.
    found = call_with(Counterfactual(), situation(BOLD, task="A canary of build 7."), access(ask))
    assert found.proposal.distribution is not None
    assert dict(found.proposal.distribution["/strategy"])["canary"] == pytest.approx(0.82)


@pytest.mark.parametrize("search", ["halving", "leave-one-out"])
def test_attribution_names_the_memory_that_moved_each_argument(search: Any) -> None:
    agent = Agent({"bold": {"approval": False}, "fox": {"strategy": "all_at_once"}})
    found = call_with(Attribution(search=search), situation(TEA, BOLD, FOX, BOARD), access(agent))
    assert {c.pointer: c.entries for c in found.changes} == {"/approval": ("bold",), "/strategy": ("fox",)}
    assert found.proposal.arguments == BASE


def test_attribution_asks_nothing_more_where_nothing_moved() -> None:
    agent = Agent({})
    assert not call_with(Attribution(), situation(TEA, BOLD), access(agent)).changes
    assert agent.asked == [("tea", "bold"), ()]


def test_a_hair_s_breadth_is_reset_without_a_search() -> None:
    asked: list[int] = []

    def ask(given: Situation) -> Proposal:
        asked.append(len(given.memories))
        odds = 0.205 if given.memories else 0.2
        return Proposal("start_rollout", distribution={"/strategy": [("all_at_once", odds), ("canary", 1 - odds)]})

    found = call_with(Attribution(), situation(BOLD, TEA), access(ask))
    assert asked == [2, 0] and found.changes[0].entries == ()
    assert found.proposal.distribution == {"/strategy": [("all_at_once", 0.2), ("canary", 0.8)]}


def _eight() -> tuple[Remembered, ...]:
    return tuple(Remembered(str(i), f"text {i}") for i in range(8))


def test_halving_finds_one_of_eight_in_at_most_six_questions() -> None:
    for guilty in range(8):
        asked: list[int] = []

        def moved(some: tuple[Remembered, ...], guilty: int = guilty, asked: list[int] = asked) -> float:
            asked.append(len(some))
            return float(str(guilty) in {memory.id for memory in some})

        assert responsible(_eight(), moved) == (str(guilty),)
        assert len(asked) <= 1 + 6


def test_two_that_act_only_together_are_both_named() -> None:
    def moved(some: tuple[Remembered, ...]) -> float:
        return float({"1", "6"} <= {memory.id for memory in some})

    assert responsible(_eight(), moved) == ("1", "6")


def test_of_several_that_each_suffice_halving_names_one_and_leaving_out_names_all() -> None:
    def moved(some: tuple[Remembered, ...]) -> float:
        return float(bool(some))

    assert responsible(_eight(), moved) == ("0",)
    assert responsible(_eight(), moved, "leave-one-out") == tuple(str(i) for i in range(8))


def test_a_share_counts_as_moving_from_half_of_the_whole_on() -> None:
    weights = {"0": 0.1, "1": 0.1, "2": 0.1, "3": 0.5}

    def moved(some: tuple[Remembered, ...]) -> float:
        return sum(weights.get(memory.id, 0.0) for memory in some)

    # All move it by 0.8, the first half does, of that the second quarter (0.6), of that the second (0.5 >= 0.4).
    assert responsible(_eight(), moved) == ("3",)
    # Leaving out: drops 0.1, 0.1, 0.1 and 0.5; at least half of the strongest is 0.25.
    assert responsible(_eight(), moved, "leave-one-out") == ("3",)
    assert responsible(_eight(), lambda _: 0.0) == ()
