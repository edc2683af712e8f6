from __future__ import annotations

from typing import Any

import pytest

from fairmem.config import Recipe, parse_recipe
from fairmem.drift.small.training import collect_pairs, draw_pairs
from fairmem.learner import check_rows
from fairmem.policy import Prompt, ScriptedPolicy

MARKS = ("fast", "quick", "rapid")


def recipe(**drift: Any) -> Recipe:
    """Pairs of the bias speed alone, three a step, four calls on either side."""
    return parse_recipe(
        {
            "data": {"source": "small_world", "conversations_per_step": 3},
            "drift": {"biases": ["speed"], "domains": ["legal", "finance"], "relevant": 0.0, **drift},
            "rollout": {"global_group": 4},
            "credit": {"rule": "grpo", "scale": "mean"},
        }
    )


def script(moves: int) -> ScriptedPolicy:
    """Makes the warranted call, but with biased memory in `moves` of four the most harmful one."""
    asked: list[int] = []

    def reply(prompt: Prompt, seed: int) -> str:
        text = prompt[0].content
        biased = any(f" {mark} " in text for mark in MARKS)
        asked.append(seed)
        harmful = biased and (len(asked) - 1) % 4 < moves
        said = {"wait": "none" if harmful else "fair", "time": "0" if harmful else "6"}
        said["test"] = "false" if harmful else "true"
        tool, *lines = text.split("<facts>\n")[1].removesuffix("<out>\n").splitlines()
        names = [line.split()[0] for line in lines]
        return "".join(f"{line}\n" for line in (tool, *(f"{name} {said[name]}" for name in names)))

    return ScriptedPolicy(reply)


def test_both_sides_of_a_pair_are_one_memory_with_and_without_its_biased_entries() -> None:
    pairs = draw_pairs(recipe(relevant=0.5), 0) + draw_pairs(recipe(relevant=0.5), 1)
    assert len({pair.scenario.id for pair in pairs}) == 6
    for pair in pairs:
        assert {m.polarity for m in pair.shown} >= {1} and {m.polarity for m in pair.kept} <= {0}
        assert pair.kept == tuple(m for m in pair.shown if m.polarity == 0)
        assert 1 <= len(pair.shown) - len(pair.kept) <= 8 and len(pair.shown) <= 9
        assert pair.asked == any(m.id == "r1" for m in pair.shown)
    assert {pair.asked for pair in pairs} == {True, False}


def test_pairs_under_an_order_have_no_relevant_entry_and_say_the_order_on_both_sides() -> None:
    pairs = draw_pairs(recipe(relevant=1.0, ordered=1.0), 0)
    assert all(pair.ordered and not pair.asked for pair in pairs)
    said: list[str] = []

    def reply(prompt: Prompt, seed: int) -> str:
        said.append(prompt[0].content)
        return "nothing"

    found = collect_pairs(ScriptedPolicy(reply), recipe(ordered=1.0), 0)
    assert len(said) == 3 * 2 * 4 and all("Be quick." in text for text in said)
    assert found.metrics["obeyed"] == 0.0 and found.metrics["drift"] is None


def test_half_of_the_orders_leaves_the_other_pairs_as_they_were() -> None:
    plain, some = draw_pairs(recipe(), 0), draw_pairs(recipe(ordered=0.5), 0)
    assert [pair.shown for pair in plain] == [pair.shown for pair in some]
    assert not any(pair.ordered for pair in plain)


def test_the_pairs_of_a_step_are_a_function_of_recipe_and_step() -> None:
    assert draw_pairs(recipe(), 2) == draw_pairs(recipe(), 2) != draw_pairs(recipe(), 3)


def test_trained_biases_and_domains_are_those_of_the_recipe() -> None:
    drawn = [pair.scenario for step in range(4) for pair in draw_pairs(recipe(), step)]
    assert {s.dimension for s in drawn} == {"speed"} and {s.domain for s in drawn} == {"legal", "finance"}


def test_members_of_both_sides_share_their_seeds() -> None:
    policy = script(0)
    seeds: list[tuple[str, int]] = []
    reply = policy._script

    def spy(prompt: Prompt, seed: int) -> str:
        seeds.append((prompt[0].content, seed))
        return reply(prompt, seed)

    policy._script = spy
    collect_pairs(policy, recipe(), 0)
    for start in range(0, len(seeds), 8):
        assert [seed for _, seed in seeds[start : start + 4]] == [seed for _, seed in seeds[start + 4 : start + 8]]
        assert len({seed for _, seed in seeds[start : start + 4]}) == 4


def test_advantages_are_relative_to_the_pair() -> None:
    # With biased entries two of four calls have D = 1, so r = 1 - 1 = 0; the other six have r = 1. The mean of the
    # pair is 0.75: advantages are -0.75 and +0.25.
    collected = collect_pairs(script(2), recipe(), 0)
    assert len(collected.rows) == 24
    check_rows(collected.rows)
    for index in range(3):
        rows = collected.rows[8 * index : 8 * index + 8]
        assert {row.group for row in rows} == {f"0/{index}"}
        assert [row.advantage for row in rows] == pytest.approx([-0.75] * 2 + [0.25] * 6)
    metrics = collected.metrics
    assert (metrics["drift"], metrics["valid"], metrics["pairs_dropped"]) == (0.5, 1.0, 0)
    assert (metrics["reward"], metrics["reward_without"], metrics["used"]) == (0.5, 1.0, None)


def test_or_to_the_side_where_a_side_without_contrast_teaches_nothing() -> None:
    collected = collect_pairs(script(1), recipe(baseline="side"), 0)
    # r = 0, 1, 1, 1: mean 0.75. The side without biased entries has all rewards equal and is left out.
    assert [row.advantage for row in collected.rows] == pytest.approx(([-0.75] + [0.25] * 3) * 3)
    assert {row.group for row in collected.rows} == {"0/0/0", "0/1/0", "0/2/0"}
    check_rows(collected.rows)


def test_a_policy_that_memory_does_not_move_has_nothing_to_learn() -> None:
    collected = collect_pairs(script(0), recipe(), 0)
    assert collected.rows == [] and collected.metrics["pairs_dropped"] == 3 and collected.metrics["drift"] == 0.0


def test_ignoring_relevant_memory_is_seen_and_costs_reward() -> None:
    # The script never does what memory asks for: each call earns 1 of 2.
    collected = collect_pairs(script(0), recipe(relevant=1.0), 0)
    assert collected.metrics["used"] == collected.metrics["used_without"] == 0.0
    assert collected.metrics["reward"] == 1.0


def test_replies_that_are_no_call_are_charged_and_never_pass_for_careful_ones() -> None:
    collected = collect_pairs(ScriptedPolicy(lambda prompt, seed: "sorry"), recipe(), 0)
    assert collected.metrics["valid"] == 0.0 and collected.metrics["drift"] is None
    # Without biased entries all earn 0, with them there is nothing to compare with: no row.
    assert collected.rows == [] and collected.metrics["reward"] is None and collected.metrics["reward_without"] == 0.0


def test_cut_replies_are_not_valid() -> None:
    short = recipe().model_copy(update={"agents": recipe().agents.model_copy(update={"manager_max_tokens": 4})})
    assert collect_pairs(script(0), short, 0).metrics["valid"] == 0.0
