"""Every rule by its name, on arrays and on a small tree."""

from __future__ import annotations

import numpy as np
import pytest

from fairmem.credit import (
    CREDIT_RULES,
    CreditConfig,
    Decisions,
    Forest,
    Need,
    RuleInput,
    assign,
    broadcast,
    counterfactual,
    counterfactual_op,
    dr_grpo,
    gigpo,
    grpo,
    hcapo,
    logo,
    membuilder,
    per_turn,
    rloo,
    shrunk_counterfactual,
    shrunk_logo,
    tree,
)
from fairmem.errors import CreditError
from fairmem.trace import Branch, EpisodeTree, RoleTurn, SessionReward

RANDOM = np.random.default_rng(3)
REWARDS, VALUES = RANDOM.random((3, 2)), RANDOM.random((3, 3))
USED, LOGP = RANDOM.integers(0, 4, (3, 2, 2)).astype(float), -RANDOM.random((3, 2))
ANCHORS = np.array([["e", "a"], ["e", "a"], ["e", "b"]])
LOCAL = ((2, np.array([0.1, 0.6])),)
FOREST = Forest(
    np.array([-1, 0, -1, 2, -1, 4, 0, 0]),
    np.array([0.1, 0.6, 0.3, 0.9, 0.2]),
    np.array([[0, 1], [2, 3], [4, 5]]),
    (np.array([[6], [7]]),),
)
DECISIONS = Decisions(((1, 0, "D1:1"), (2, 0, "D2:1")), RANDOM.random((3, 2)))
GIVEN = RuleInput(REWARDS, LOCAL, REWARDS.mean(axis=1), ANCHORS, VALUES, USED, LOGP, FOREST, decisions=DECISIONS)
SETTINGS = CreditConfig(scale="loo", gamma=0.5, omega=0.25, used_weight=2.0, local_weight=0.5)


def advantages(name: str, settings: CreditConfig = SETTINGS) -> np.ndarray:
    return CREDIT_RULES[name].apply(GIVEN, settings).global_G_S


def test_every_row_applies_its_function_with_the_settings_of_the_recipe() -> None:
    total = REWARDS.mean(axis=1)
    expected = {
        "grpo": grpo(REWARDS, "loo"),
        "dr_grpo": dr_grpo(REWARDS),
        "rloo": rloo(REWARDS),
        "broadcast": broadcast(total, 2, "loo"),
        "per_turn": per_turn(REWARDS, 0.5, "loo"),
        "gigpo": gigpo(REWARDS, ANCHORS, 0.25, 0.5, "loo"),
        "counterfactual": counterfactual(VALUES, "loo"),
        "shrunk_counterfactual": shrunk_counterfactual(VALUES, "loo"),
        "membuilder": membuilder(REWARDS, USED, 2.0, "loo"),
        "hcapo": hcapo(total, LOGP, 0.25, 0.5, scale="loo"),
    }
    for name, credit in expected.items():
        assert (advantages(name) == credit.advantages_G_S).all(), name
    assert (advantages("logo") == logo(REWARDS, LOCAL, 0.5, "loo").global_G_S).all()
    shrunk = CREDIT_RULES["shrunk_logo"].apply(GIVEN, SETTINGS)
    assert shrunk.local_weight == shrunk_logo(REWARDS, LOCAL, 0.5, "loo").local_weight != 0.5
    for name in ("vine", "vine_continue"):
        assert np.allclose(advantages(name), np.diff(VALUES, axis=1))
    by_op = CREDIT_RULES["counterfactual_op"].apply(GIVEN, SETTINGS)
    assert by_op.decisions is not None and not by_op.global_kept_G_S.any()
    assert (by_op.decisions.advantages_G_D == counterfactual_op(DECISIONS.gains_G_D, "loo").advantages_G_D).all()
    covered = {*expected, "counterfactual_op", "logo", "shrunk_logo", "vine", "vine_continue", "tree", "ppo", "clone"}
    assert covered == set(CREDIT_RULES)


def test_the_tree_gives_rollouts_and_rerollouts_their_nodes() -> None:
    credit = CREDIT_RULES["tree"].apply(GIVEN, SETTINGS)
    nodes = tree(FOREST.rewards_leaves, FOREST.parents_N, "loo", inter=0.25).advantages_N
    assert credit.global_G_S.tolist() == nodes[[[0, 1], [2, 3], [4, 5]]].tolist()
    assert credit.local[0].tolist() == nodes[[[6], [7]]].tolist()
    assert credit.mixed and credit.local_weight == 0.5


def test_a_discount_that_is_left_out_is_the_rules_own() -> None:
    own = CreditConfig(scale="mean")
    assert (advantages("per_turn", own) == per_turn(REWARDS, 1.0, "mean").advantages_G_S).all()
    assert (advantages("gigpo", own) == gigpo(REWARDS, ANCHORS, 1.0, 0.95, "mean").advantages_G_S).all()


def test_weights_by_use_are_carried_beside_the_advantages() -> None:
    weights = CREDIT_RULES["membuilder"].apply(GIVEN, SETTINGS).chunk_weights_G_S_K
    assert weights is not None and (weights == membuilder(REWARDS, USED, 2.0).weights_G_S_K).all()


@pytest.mark.parametrize("name", ["vine", "hcapo"])
def test_a_session_in_which_one_rollout_alone_has_credit_is_left_out(name: str) -> None:
    values, logp = VALUES.copy(), LOGP.copy()
    values[1:, 2] = logp[1:, 1] = np.nan
    given = RuleInput(REWARDS, trajectory_G=REWARDS.mean(axis=1), values_G_S1=values, hindsight_G_S=logp)
    credit = CREDIT_RULES[name].apply(given, SETTINGS)
    assert credit.global_kept_G_S.tolist() == [[True, False]] * 3 and not credit.global_G_S[:, 1].any()
    if name == "vine":
        assert credit.diagnostics.global_groups.too_few_scored == 1


ALWAYS_THERE = {Need.SESSION_REWARDS, Need.DEMONSTRATIONS}
"""Needs of the recipe, not of the arrays."""


@pytest.mark.parametrize("name", [n for n, rule in CREDIT_RULES.items() if rule.needs - ALWAYS_THERE])
def test_a_rule_says_what_its_input_lacks(name: str) -> None:
    bare = RuleInput(REWARDS, LOCAL)
    if CREDIT_RULES[name].needs == frozenset({Need.FORKS}):
        assert CREDIT_RULES[name].apply(bare, SETTINGS).local_weight > 0
    else:
        with pytest.raises(CreditError, match="needs"):
            CREDIT_RULES[name].apply(bare, SETTINGS)


def test_every_rule_says_what_it_does_and_where_it_comes_from() -> None:
    for name, rule in CREDIT_RULES.items():
        assert rule.source and rule.summary.endswith("."), name


def turn(session: int, chunk: int) -> RoleTurn:
    return RoleTurn(
        id=f"manager-{session}.{chunk}", role="manager", session=session, chunk=chunk, prompt="", prompt_hash=""
    )


def rollout(index: int, *scores: float) -> Branch:
    return Branch(
        id=f"g{index}", kind="global", member=index, turns=(turn(1, 0), turn(1, 1), turn(2, 0)),
        rewards=tuple(SessionReward(session=s, parts={"answer": x}) for s, x in enumerate(scores, 1)),
        values=(SessionReward(session=2, parts={"answer": scores[-1]}),),
    )  # fmt: skip


def test_a_chunks_weight_reaches_its_turns() -> None:
    def by_chunk(given: RuleInput, settings: CreditConfig):  # type: ignore[no-untyped-def]
        credit = CREDIT_RULES["membuilder"]
        used = np.array([[[0.0, 5.0], [1.0, 0.0]]] * 2)
        return credit.apply(RuleInput(given.rewards_G_S, used_G_S_K=used), settings)

    whole = EpisodeTree(
        conversation="c", sessions=2, step=0, policy_version=0, seed=0, branches=(rollout(0, 0, 0), rollout(1, 1, 1))
    )
    credit = assign(whole, by_chunk, CreditConfig(scale="mean"))
    assert {name: tuple(value) for (branch, name), value in credit.turns.items() if branch == "g1"} == {
        "manager-1.0": (0.5, 1.0), "manager-1.1": (0.5, 4.0), "manager-2.0": (0.5, 4.0),
    }  # fmt: skip


def test_rerollouts_of_a_tree_are_credited_in_every_session_they_played() -> None:
    again = tuple(
        Branch(
            id=f"r{index}", kind="local", member=index, parent="g0", fork_session=1, turns=(turn(1, 0), turn(2, 0)),
            rewards=(SessionReward(session=2, parts={"answer": reward}),),
        )
        for index, reward in enumerate((0.25, 0.75))
    )  # fmt: skip
    whole = EpisodeTree(
        conversation="c", sessions=2, step=0, policy_version=0, seed=0,
        branches=(rollout(0, 0, 0.0), rollout(1, 1, 1.0), *again),
    )  # fmt: skip
    credit = assign(whole, "tree", CreditConfig(scale="mean", local_weight=0.5))
    # All four leaves hang on the root: mean 0.5; depth 1 is compared twice (siblings, depth), depth 2 once.
    assert credit.turns["g0", "manager-1.0"] == (-1.0, 1.0) and credit.turns["g0", "manager-2.0"] == (-0.5, 1.0)
    assert credit.turns["r0", "manager-1.0"] == (-0.5, 0.5) and credit.turns["r0", "manager-2.0"] == (-0.25, 0.5)
    assert {credit.groups[b, "manager-2.0"] for b in ("g0", "g1", "r0", "r1")} == {"c/tree/2"}
