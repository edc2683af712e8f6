"""Behaviour cloning as a credit rule: whatever was earned, every turn of a demonstration counts the same."""

from __future__ import annotations

from fairmem.credit import assign
from fairmem.credit.clone import clone
from fairmem.trace import Branch, EpisodeTree, RoleTurn, SessionReward


def test_every_session_of_every_rollout_is_worth_one() -> None:
    credit = clone(2, 3)
    assert credit.advantages_G_S.tolist() == [[1.0] * 3] * 2 and credit.kept_G_S.all()
    counts = credit.diagnostics.global_groups
    assert (counts.formed, counts.kept, counts.members, counts.mean_abs_advantage) == (1, 1, 6, 1.0)


def test_without_rollouts_there_is_no_group() -> None:
    assert clone(0, 3).diagnostics.global_groups.formed == 0


def test_a_single_demonstration_without_any_reward_gives_credit_to_all_its_turns() -> None:
    turns = tuple(RoleTurn(id=f"m{s}", role="manager", session=s, chunk=0, prompt="p", prompt_hash="h") for s in (1, 2))
    rewards = (SessionReward(session=1, parts={"answer": None}), SessionReward(session=2, parts={"answer": 0.0}))
    branch = Branch(id="g0", kind="global", member=0, turns=turns, rewards=rewards)
    tree = EpisodeTree(conversation="c", sessions=2, step=0, policy_version=0, seed=0, branches=(branch,))
    credit = assign(tree, "clone")
    assert {key: earned.advantage for key, earned in credit.turns.items()} == {("g0", "m1"): 1.0, ("g0", "m2"): 1.0}
