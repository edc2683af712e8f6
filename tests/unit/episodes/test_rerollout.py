"""Which sessions are rolled out again, from which memory, and that neither side of a fork sees the other after it."""

import pytest

from fairmem.config import RolloutConfig
from fairmem.episodes import (
    AwaitMemory,
    LocalPlan,
    MemoryBoard,
    choose_local,
    identical_siblings,
    plan_branches,
    roll_branch,
    run_waves,
)
from fairmem.memory import MemoryBank
from tests.unit.episodes.build import (
    CONVERSATION,
    EVERYWHERE,
    PLAIN,
    PlannedPolicy,
    agents,
    at,
    local_groups,
    play,
)


@pytest.mark.parametrize(
    ("sessions", "fraction", "count"),
    # Halves are rounded up: 5 * 0.5 = 2.5 -> 3.
    [(8, 0.5, 4), (5, 0.5, 3), (8, 0.0, 0), (8, 1.0, 8), (3, 0.1, 0), (1, 0.5, 1)],
)
def test_a_fixed_share_of_different_sessions_is_rolled_out_again(sessions: int, fraction: float, count: int) -> None:
    for seed in range(20):
        chosen = choose_local(sessions, 4, fraction, seed)
        numbers = [plan.session for plan in chosen]
        assert len(chosen) == count and numbers == sorted(set(numbers))
        assert all(1 <= plan.session <= sessions and 0 <= plan.source < 4 for plan in chosen)
        assert chosen == choose_local(sessions, 4, fraction, seed)
        assert len(chosen) == RolloutConfig(local_fraction=fraction).rerolled(sessions)
        every = choose_local(sessions, 4, fraction, seed, all_sources=True)
        assert every == tuple(LocalPlan(session, source) for session in numbers for source in range(4))


def test_every_session_and_every_source_is_chosen_now_and_then() -> None:
    drawn = [plan for seed in range(200) for plan in choose_local(4, 3, 0.5, seed)]
    assert {(p.session, p.source) for p in drawn} == {(s, g) for s in range(1, 5) for g in range(3)}
    # 400 draws over 4 sessions: 100 each, standard deviation below 10.
    assert all(70 <= sum(p.session == s for p in drawn) <= 130 for s in range(1, 5))
    assert LocalPlan(1, 0) in drawn


def test_plans_name_parent_session_and_member() -> None:
    plans = plan_branches(CONVERSATION, EVERYWHERE, seed=4)
    assert [(p.id, p.first, p.last, p.member, p.parent) for p in plans[:2]] == [
        ("g0", 1, 3, 0, None),
        ("g1", 1, 3, 1, None),
    ]
    assert len(plans) == 2 + 3 * 2 and len({p.id for p in plans}) == len(plans)
    for plan in plans[2:]:
        assert plan.id == f"{plan.parent}/s{plan.first}/r{plan.member}" and plan.last == plan.first
    assert len({p.seed for p in plans}) == len(plans)
    assert {p.temperature for p in plans} == {EVERYWHERE.temperature}


def test_a_horizon_lets_rerollouts_play_on_but_not_past_the_end() -> None:
    plans = plan_branches(CONVERSATION, EVERYWHERE.model_copy(update={"local_horizon": 1}), seed=4)
    assert sorted({(p.first, p.last) for p in plans[2:]}) == [(1, 2), (2, 3), (3, 3)]
    far = plan_branches(CONVERSATION, EVERYWHERE.model_copy(update={"local_horizon": 99}), seed=4)
    assert {p.last for p in far} == {3}


def test_without_local_share_there_are_global_rollouts_only() -> None:
    assert [p.id for p in plan_branches(CONVERSATION, PLAIN, seed=4)] == ["g0", "g1"]


def test_siblings_differ_in_nothing_but_member_and_seed() -> None:
    for members in local_groups(play(rollout=EVERYWHERE).plan).values():
        assert len({(m.first, m.last, m.parent, m.temperature) for m in members}) == 1
        assert [m.member for m in members] == [0, 1] and len({m.seed for m in members}) == 2


def memory_at(branch: str, session: int) -> MemoryBank:
    """The memory of a global branch at the start of `session`: what a run that ends there leaves."""
    if session == 1:
        return MemoryBank.empty()
    short = play(DIFFERENT, conversation=CONVERSATION.truncated(session - 1))
    return short.report.banks[0, branch]


DIFFERENT = at(
    {
        ("g0", "manager", 1, 0): "a NOOP\nb INSERT",
        ("g1", "manager", 2, 1): "a NOOP\nb NOOP",
        ("g1", "manager", 3, 0): "a UPDATE 1\nb INSERT",
    }
)


@pytest.mark.parametrize("seed", range(4))
def test_a_rerollout_starts_from_its_parents_memory_to_the_byte(seed: int) -> None:
    played = play(DIFFERENT, rollout=EVERYWHERE, seed=seed)
    board, policy = MemoryBoard(), PlannedPolicy(played.plan.branches, DIFFERENT)
    routines = {plan.id: roll_branch(plan, agents(), board) for plan in played.plan.branches}
    results, _ = run_waves(routines, board, {"extractor": policy, "manager": policy, "answerer": policy})
    for (parent, session), members in local_groups(played.plan).items():
        expected = memory_at(parent, session)
        of_parent = [t for t in played.branches[parent].turns if t.role == "manager" and t.session == session]
        for member in members:
            start = results[member.id].start
            assert start is not None and start.to_json() == expected.to_json()
            assert played.branches[member.id].start_bank == of_parent[0].bank_before == expected.hash
            # Banks are values: nothing was copied.
            assert start is board.get(AwaitMemory(parent, session))


def test_a_parent_is_the_same_with_and_without_rerollouts() -> None:
    alone, with_forks = play(DIFFERENT), play(DIFFERENT, rollout=EVERYWHERE)
    for name in ("g0", "g1"):
        assert with_forks.branches[name] == alone.branches[name]
        assert with_forks.report.banks[0, name].to_json() == alone.report.banks[0, name].to_json()


def test_what_one_rerollout_does_is_seen_by_no_other_branch() -> None:
    plain = play(rollout=EVERYWHERE)
    (parent, session), members = next(iter(local_groups(plain.plan).items()))
    odd = members[0].id
    other = play(at({(odd, "manager"): "a NOOP\nb NOOP"}), rollout=EVERYWHERE)
    assert other.branches[odd] != plain.branches[odd]
    for name, branch in plain.branches.items():
        if name != odd:
            assert other.branches[name] == branch, (parent, session)


def test_groups_whose_members_sampled_the_same_are_counted() -> None:
    a, b = (((1, 2), (3,))), (((1, 2), (4,)))
    assert identical_siblings([[a, a], [a, b], [a, a, b], [b, b, b], [a], []]) == 2
    # A script is certain of what it says, so all 3 groups are alike, until one of them says something else.
    plain = play(rollout=EVERYWHERE)
    assert (plain.report.local_groups, plain.report.identical_groups) == (3, 3)
    odd = next(iter(local_groups(plain.plan).values()))[0].id
    assert play(at({(odd, "manager"): "a NOOP\nb NOOP"}), rollout=EVERYWHERE).report.identical_groups == 2
