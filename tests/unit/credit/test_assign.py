"""Two global branches "g0", "g1" over two sessions; local branches forked from g0 at session 2."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fairmem.credit import CREDIT_RULES, CreditConfig, LogoCredit, Rule, RuleInput, assign, session_reward
from fairmem.errors import CreditError
from fairmem.trace import Branch, CallFailure, EpisodeTree, FailureKind, Role, RoleTurn, SessionReward

MEAN = CreditConfig(scale="mean")


def turn(session: int, role: Role, failed: bool = False) -> RoleTurn:
    failure = CallFailure(kind=FailureKind.TIMEOUT, message="no reply in 30 s") if failed else None
    return RoleTurn(
        id=f"{role[0]}{session}", role=role, session=session, chunk=0, prompt="", prompt_hash="", failure=failure
    )


def turns(*sessions: int) -> tuple[RoleTurn, ...]:
    return tuple(turn(s, role) for s in sessions for role in ("extractor", "manager"))


def rewards(**answers: float | None) -> tuple[SessionReward, ...]:
    return tuple(SessionReward(session=int(k[1:]), parts={"answer": v}, questions=1) for k, v in answers.items())


def global_branch(index: int, s1: float | None, s2: float | None) -> Branch:
    return Branch(id=f"g{index}", kind="global", member=index, turns=turns(1, 2), rewards=rewards(s1=s1, s2=s2))


def local_branch(index: int, reward: float | None, parent: str = "g0", session: int = 2) -> Branch:
    return Branch(
        id=f"l{index}", kind="local", member=index, parent=parent, fork_session=session,
        turns=turns(session), rewards=(SessionReward(session=session, parts={"answer": reward}),),
    )  # fmt: skip


def tree(*branches: Branch, sessions: int = 2) -> EpisodeTree:
    return EpisodeTree(conversation="c", sessions=sessions, step=0, policy_version=0, seed=0, branches=branches)


def test_every_turn_of_a_session_gets_the_credit_of_its_branch_in_that_session() -> None:
    # Session 1: 0 and 1 -> -0.5, +0.5. Session 2: 0.75 and 0.25 -> +0.25, -0.25.
    credit = assign(tree(global_branch(0, 0.0, 0.75), global_branch(1, 1.0, 0.25)), "grpo", MEAN)
    assert {key: tuple(value) for key, value in credit.turns.items()} == {
        ("g0", "e1"): (-0.5, 1.0), ("g0", "m1"): (-0.5, 1.0), ("g0", "e2"): (0.25, 1.0), ("g0", "m2"): (0.25, 1.0),
        ("g1", "e1"): (0.5, 1.0), ("g1", "m1"): (0.5, 1.0), ("g1", "e2"): (-0.25, 1.0), ("g1", "m2"): (-0.25, 1.0),
    }  # fmt: skip
    assert credit.groups["g0", "e1"] == "c/global/1" and credit.groups["g1", "m2"] == "c/global/2"


def test_local_branches_are_compared_with_those_of_the_same_parent_and_session_only() -> None:
    branches = (
        global_branch(0, 0.5, 0.5), global_branch(1, 0.5, 0.5),
        local_branch(0, 0.0), local_branch(1, 1.0),
        local_branch(2, 0.9, parent="g1"), local_branch(3, 0.7, parent="g1"),
    )  # fmt: skip
    credit = assign(tree(*branches), "logo", CreditConfig(scale="mean", local_weight=0.25))
    assert credit.turns["l0", "m2"] == (-0.5, 0.25) and credit.turns["l1", "e2"] == (0.5, 0.25)
    # 0.9 and 0.7: mean 0.8.
    assert credit.turns["l2", "m2"].advantage == pytest.approx(0.1)
    assert credit.groups["l0", "m2"] == "c/local/g0/2" and credit.groups["l2", "m2"] == "c/local/g1/2"
    # The equal global rewards give nothing.
    assert {branch for branch, _ in credit.turns} == {"l0", "l1", "l2", "l3"}
    assert credit.diagnostics.global_groups.zero_variance == 2


def test_logo_with_local_weight_zero_assigns_exactly_what_grpo_assigns() -> None:
    whole = tree(global_branch(0, 0.1, 0.7), global_branch(1, 0.4, 0.2), local_branch(0, 0.3), local_branch(1, 0.8))
    logo_credit, grpo_credit = assign(whole, "logo", CreditConfig(local_weight=0.0)), assign(whole, "grpo")
    assert logo_credit == grpo_credit
    assert all(branch.startswith("g") for branch, _ in logo_credit.turns)


def test_a_failed_branch_is_in_no_group() -> None:
    failed = Branch(
        id="g2", kind="global", member=2, turns=(turn(1, "extractor", failed=True),), rewards=rewards(s1=0.0, s2=0.0)
    )
    with_failed = assign(tree(global_branch(0, 0.2, 0.4), global_branch(1, 0.6, 0.8), failed), "grpo", MEAN)
    without = assign(tree(global_branch(0, 0.2, 0.4), global_branch(1, 0.6, 0.8)), "grpo", MEAN)
    assert with_failed.turns == without.turns
    assert with_failed.diagnostics.failed_branches == 1


def test_a_session_without_a_scored_question_is_skipped_and_not_zero() -> None:
    credit = assign(tree(global_branch(0, None, 0.2), global_branch(1, None, 0.6)), "grpo", MEAN)
    assert {turn_id for _, turn_id in credit.turns} == {"e2", "m2"}
    assert credit.diagnostics.global_groups.unscored == 1


def test_a_member_without_a_score_is_left_out_of_its_groups_mean() -> None:
    branches = (global_branch(0, 0.0, None), global_branch(1, 1.0, None), global_branch(2, None, None))
    credit = assign(tree(*branches), "grpo", MEAN)
    assert credit.turns["g0", "e1"].advantage == -0.5  # mean of 0 and 1; a missing 0 would make it -1/3
    assert ("g2", "e1") not in credit.turns


def test_the_compression_penalty_is_taken_off_the_answer_reward() -> None:
    def branch(index: int, answer: float, penalty: float | None) -> Branch:
        reward = SessionReward(session=1, parts={"answer": answer, "compression_penalty": penalty})
        return Branch(id=f"g{index}", kind="global", member=index, turns=turns(1), rewards=(reward,))

    # 0.5 - 0.25 = 0.25 and 0.75 - 0 = 0.75: mean 0.5. The third could not be measured.
    credit = assign(tree(branch(0, 0.5, 0.25), branch(1, 0.75, 0.0), branch(2, 1.0, None), sessions=1), "grpo", MEAN)
    assert credit.turns["g0", "m1"].advantage == -0.25 and credit.turns["g1", "m1"].advantage == 0.25
    assert ("g2", "m1") not in credit.turns


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"answer": 0.75}, 0.75),
        ({"answer": 0.75, "compression_penalty": 0.25}, 0.5),
        # 0.5 + 0.25 for what a user added, minus 0.125 and 0.5.
        ({"answer": 0.5, "brevity": 0.25, "compression_penalty": 0.125, "length_penalty": 0.5}, 0.125),
        ({"brevity": -0.25, "answer": 0.5}, 0.25),
    ],
)
def test_every_part_counts_and_penalties_are_subtracted(parts: dict[str, float | None], expected: float) -> None:
    assert session_reward(SessionReward(session=1, parts=parts)) == expected


@pytest.mark.parametrize(
    "parts",
    [{}, {"answer": None}, {"brevity": 0.5}, {"answer": 0.5, "brevity": None}, {"answer": 0.5, "x_penalty": None}],
)
def test_a_part_without_a_value_or_no_answer_leaves_the_session_unscored(parts: dict[str, float | None]) -> None:
    assert np.isnan(session_reward(SessionReward(session=1, parts=parts)))


def test_a_local_branch_that_rolls_on_is_judged_at_its_end_and_credited_at_its_fork() -> None:
    def branch(index: int, at_fork: float, at_end: float) -> Branch:
        return Branch(
            id=f"l{index}", kind="local", member=index, parent="g0", fork_session=1,
            turns=turns(1, 2), rewards=rewards(s1=at_fork, s2=at_end),
        )  # fmt: skip

    credit = assign(tree(global_branch(0, 0.5, 0.5), branch(0, 1.0, 0.25), branch(1, 0.0, 0.75)), "logo", MEAN)
    # Scores at the end are 0.25 and 0.75, mean 0.5; the scores at the fork would give the other sign.
    assert credit.turns["l0", "e1"].advantage == -0.25 and credit.turns["l1", "e1"].advantage == 0.25
    assert ("l0", "e2") not in credit.turns


def test_trajectory_scope_gives_all_sessions_one_credit_weighted_by_questions() -> None:
    def branch(index: int, s1: float, s2: float) -> Branch:
        scored = (
            SessionReward(session=1, parts={"answer": s1}, questions=3),
            SessionReward(session=2, parts={"answer": s2}, questions=1),
        )
        return Branch(id=f"g{index}", kind="global", member=index, turns=turns(1, 2), rewards=scored)

    # (3 * 0.5 + 1) / 4 = 0.625 and (3 * 0.25 + 0) / 4 = 0.1875; half their difference is 0.21875.
    credit = assign(
        tree(branch(0, 0.5, 1.0), branch(1, 0.25, 0.0)), "grpo", CreditConfig(scale="mean", scope="trajectory")
    )
    assert [credit.turns["g0", t].advantage for t in ("e1", "m1", "e2", "m2")] == [0.21875] * 4
    assert credit.diagnostics.global_groups.formed == 1
    assert set(credit.groups.values()) == {"c/global/all"}


def test_trajectory_scope_compares_over_the_sessions_that_all_members_scored() -> None:
    branches = (global_branch(0, 0.5, 1.0), global_branch(1, 0.0, None), global_branch(2, None, None))
    credit = assign(tree(*branches), "grpo", CreditConfig(scale="mean", scope="trajectory"))
    assert credit.turns["g0", "e2"].advantage == 0.25  # 0.5 against 0 in session 1; session 2 is not shared
    assert ("g2", "e1") not in credit.turns


def test_an_answer_gets_credit_if_its_tokens_are_there_to_be_trained() -> None:
    def branch(index: int, reward: float, ids: tuple[int, ...]) -> Branch:
        answer = turn(1, "answerer").model_copy(update={"ids": ids})
        return Branch(id=f"g{index}", kind="global", member=index, turns=(answer,), rewards=rewards(s1=reward))

    assert assign(tree(branch(0, 0.0, ()), branch(1, 1.0, ())), "grpo").turns == {}
    credit = assign(tree(branch(0, 0.0, (3,)), branch(1, 1.0, (4,))), "grpo", MEAN)
    assert sorted(earned.advantage for earned in credit.turns.values()) == [-0.5, 0.5]


def test_a_rule_may_be_a_function_and_the_settings_name_the_default_rule() -> None:
    def doubled(given: RuleInput, settings: CreditConfig) -> LogoCredit:
        credit = CREDIT_RULES["grpo"].apply(given, settings)
        return replace(credit, global_G_S=2 * credit.global_G_S)

    whole = tree(global_branch(0, 0.0, 0.0), global_branch(1, 1.0, 1.0))
    assert assign(whole, doubled, MEAN).turns["g1", "e1"].advantage == 1.0
    assert assign(whole, Rule(doubled), MEAN) == assign(whole, doubled, MEAN)
    assert assign(whole, None, CreditConfig(rule="grpo")) == assign(whole, "grpo")


def test_a_tree_with_nothing_in_it_gives_no_credit() -> None:
    credit = assign(tree())
    assert credit.turns == {} and credit.diagnostics.global_groups.unscored == 2


def test_broken_trees_and_unknown_rules_are_refused_by_name() -> None:
    with pytest.raises(CreditError, match="unknown credit rule 'best'; expected one of grpo, dr_grpo, rloo"):
        assign(tree(), "best")
    with pytest.raises(CreditError, match="'g0': reward for session 3; the tree has sessions 1 to 2"):
        assign(tree(Branch(id="g0", kind="global", member=0, rewards=rewards(s3=1.0))))
    with pytest.raises(CreditError, match="two rewards for session 1"):
        assign(tree(Branch(id="g0", kind="global", member=0, rewards=rewards(s1=1.0) * 2)))
    with pytest.raises(CreditError, match="'l9' names no parent"):
        assign(tree(Branch(id="l9", kind="local", member=0)))


def test_the_order_of_branches_does_not_change_their_credit() -> None:
    rng = np.random.default_rng(0)
    branches = [global_branch(i, *rng.random(2)) for i in range(6)] + [local_branch(i, rng.random()) for i in range(4)]
    shuffled = [branches[i] for i in rng.permutation(len(branches))]
    assert assign(tree(*branches)).turns == assign(tree(*shuffled)).turns
