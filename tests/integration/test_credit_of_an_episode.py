"""From replies to advantages: two rollouts with known memories are rolled out, quizzed, rewarded and compared.

The script of `tests.unit.episodes.build` remembers everything, so a branch scores 1 but for what a test has it
forget; every expected number below is worked from that by hand.
"""

import math

import pytest

from fairmem.config import CreditConfig, RewardConfig, RolloutConfig
from fairmem.credit import Credit, assign
from fairmem.policy import Prompt
from tests.unit.episodes.build import EVERYWHERE, PLAIN, Behave, Place, Played, Said, at, local_groups, play

MEAN = CreditConfig(scale="mean")

FORGETFUL = at(
    {
        ("g0", "manager", 1, 0): "a NOOP\nb INSERT",
        ("g1", "manager", 1): "a NOOP\nb NOOP",
        ("g1", "extractor", 3, 1): "none",
    }
)
"""Answer part by session: g0 3/4, 1, 1 (cup is missing); g1 0, 1, 1/2 (all of session 1, half of session 3)."""

REWARDS = {"g0": {1: 0.75, 2: 1.0, 3: 1.0}, "g1": {1: 0.0, 2: 1.0, 3: 0.5}}


def advantages(credit: Credit, branch: str) -> dict[int, float]:
    """Session -> the one advantage that all of the branch's turns in it have."""
    found: dict[int, float] = {}
    for (name, turn), value in credit.turns.items():
        if name == branch:
            session = int(turn.partition("-")[2].partition(".")[0])
            assert found.setdefault(session, value.advantage) == value.advantage
    return found


def one_odd_sibling(seed: int = 0) -> tuple[Played, str, tuple[str, int]]:
    """Rerollouts of every session; the first sibling of session 2 forgets kite and drum."""
    plan = play(FORGETFUL, rollout=EVERYWHERE, seed=seed).plan
    ((group, members),) = [(key, m) for key, m in local_groups(plan).items() if key[1] == 2]
    odd = members[0].id
    played = play(also(FORGETFUL, at({(odd, "manager", 2, 0): "none"})), rollout=EVERYWHERE, seed=seed)
    return played, odd, group


def also(one: Behave, other: Behave) -> Behave:
    def behave(place: Place, prompt: Prompt) -> Said:
        return one(place, prompt) or other(place, prompt)

    return behave


def test_memories_earn_what_they_remember() -> None:
    played = play(FORGETFUL)
    assert {branch: played.answers(branch) for branch in ("g0", "g1")} == REWARDS


def test_grpo_compares_the_rollouts_session_by_session() -> None:
    credit = assign(play(FORGETFUL).tree, "grpo", MEAN)
    # Session 1: 0.75 and 0, mean 0.375. Session 2: equal, dropped. Session 3: 1 and 0.5, mean 0.75.
    assert advantages(credit, "g0") == {1: 0.375, 3: 0.25}
    assert advantages(credit, "g1") == {1: -0.375, 3: -0.25}
    counts = credit.diagnostics.global_groups
    assert (counts.formed, counts.zero_variance, counts.kept) == (3, 1, 2)
    # Every extraction of a kept session is credited, and every manager call that was made.
    session_3 = sorted(turn for branch, turn in credit.turns if branch == "g1" and "-3." in turn)
    assert session_3 == ["extractor-3.0", "extractor-3.1", "manager-3.0"]


def test_the_standard_scale_gives_two_rollouts_plus_and_minus_one_over_root_two() -> None:
    credit = assign(play(FORGETFUL).tree, "grpo", CreditConfig(scale="std"))
    # Two values a and b: deviation |a - b| / sqrt 2, so (a - mean) / deviation = 1 / sqrt 2 whatever they are.
    assert advantages(credit, "g0") == {1: pytest.approx(1 / math.sqrt(2)), 3: pytest.approx(1 / math.sqrt(2))}


def test_a_charge_for_size_changes_the_comparison() -> None:
    charged = play(FORGETFUL, reward=RewardConfig(compression_tau=0.0, compression_lambda=1.0))
    dialogue = charged.runner.dialogue_tokens(charged.plan.conversation, 3)
    credit = assign(charged.tree, "grpo", MEAN)
    # Half the difference of size goes against g0, which remembers more; in session 2 nothing else counts.
    half = (charged.branches["g0"].bank_tokens - charged.branches["g1"].bank_tokens) / dialogue / 2
    assert half > 0
    assert advantages(credit, "g0") == {
        1: pytest.approx(0.375 - half),
        2: pytest.approx(-half),
        3: pytest.approx(0.25 - half),
    }


@pytest.mark.parametrize("seed", range(6))
def test_logo_adds_the_comparison_of_siblings_that_share_a_memory(seed: int) -> None:
    played, odd, (parent, session) = one_odd_sibling(seed)
    sibling = odd.replace("/r0", "/r1")
    credit = assign(played.tree, "logo", CreditConfig(scale="mean", local_weight=0.5))
    # After session 2 there are 8 questions. The sibling misses what it inherited as missing: 1 from g0, 4 from g1.
    # The odd one misses 2 more, so the rewards differ by 2/8 and each is 1/8 off the mean.
    inherited = {"g0": 1, "g1": 4}[parent]
    assert played.answers(sibling) == {2: (8 - inherited) / 8} and played.answers(odd) == {2: (6 - inherited) / 8}
    assert advantages(credit, odd) == {2: -0.125} and advantages(credit, sibling) == {2: 0.125}
    assert {value.weight for (branch, _), value in credit.turns.items() if "/" in branch} == {0.5}
    # Whatever the parent forgot before, it is the same for both: the advantage does not depend on the parent.
    assert credit.groups[odd, "manager-2.0"] == f"c/local/{parent}/{session}"
    # Sessions 1 and 3: identical siblings, nothing to learn.
    assert {branch for branch, _ in credit.turns if "/" in branch} == {odd, sibling}
    assert (credit.diagnostics.local_groups.formed, credit.diagnostics.local_groups.kept) == (3, 1)
    # The global part is GRPO's.
    assert advantages(credit, "g0") == {1: 0.375, 3: 0.25}


def test_logo_with_local_weight_zero_is_grpo() -> None:
    played, _, _ = one_odd_sibling()
    for scale in ("std", "mean", "loo"):
        without = assign(played.tree, "logo", CreditConfig(scale=scale, local_weight=0.0))
        assert without == assign(played.tree, "grpo", CreditConfig(scale=scale))
        assert not [branch for branch, _ in without.turns if "/" in branch]
    # Rerollouts cost the globals nothing either: the same credit as without them.
    alone = assign(play(FORGETFUL).tree, "grpo", MEAN)
    assert assign(played.tree, "grpo", MEAN).turns == alone.turns


def test_identical_memories_give_no_credit_at_all() -> None:
    for rollout in (PLAIN, EVERYWHERE):
        played = play(rollout=rollout)
        assert len({branch.final_bank for branch in played.tree.global_branches}) == 1
        credit = assign(played.tree, "logo")
        assert credit.turns == {}
        counts = credit.diagnostics
        assert (counts.global_groups.formed, counts.global_groups.zero_variance) == (3, 3)
        assert counts.local_groups.formed == counts.local_groups.zero_variance == (3 if rollout is EVERYWHERE else 0)


def test_a_horizon_credits_the_forked_session_for_what_shows_later() -> None:
    rollout = RolloutConfig.model_validate({**EVERYWHERE.model_dump(), "local_horizon": 1})
    plan = play(rollout=rollout).plan
    ((_, members),) = [(key, m) for key, m in local_groups(plan).items() if key[1] == 1]
    odd, sibling = (member.id for member in members)
    played = play(at({(odd, "manager", 1, 0): "none"}), rollout=rollout)
    credit = assign(played.tree, "logo", MEAN)
    # Asked after session 2: 8 questions, the odd one misses 2. Mean 7/8.
    assert played.answers(odd) == {2: 0.75} and played.answers(sibling) == {2: 1.0}
    assert advantages(credit, odd) == {1: -0.125} and advantages(credit, sibling) == {1: 0.125}
