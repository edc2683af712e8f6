"""Which sessions are rolled out again, from which memory, and that neither side of a fork sees the other after it."""

import pytest

from fairmem.config import CreditConfig, RolloutConfig
from fairmem.credit import assign
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
from fairmem.memory import Memory, MemoryBank
from fairmem.trace import FailureKind
from tests.unit.episodes.build import (
    CONVERSATION,
    EVERYWHERE,
    FAILURE,
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


def memory_at(branch: str, session: int) -> Memory:
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


REUSED = EVERYWHERE.model_copy(update={"local_reuse": True})


def test_a_horizon_to_the_end_reaches_the_last_session_from_everywhere() -> None:
    plans = plan_branches(CONVERSATION, EVERYWHERE.model_copy(update={"local_horizon": "end"}), seed=4)
    assert sorted({(p.first, p.last) for p in plans[2:]}) == [(1, 3), (2, 3), (3, 3)]


def test_the_sources_own_session_joins_its_local_group_as_one_more_member() -> None:
    plans = plan_branches(CONVERSATION, REUSED, seed=4)
    own = [plan for plan in plans if plan.reused]
    assert [p.id for p in own] == [f"{p.parent}/s{p.first}/own" for p in own] and len(own) == 3
    assert {p.member for p in own} == {2} and {p.last - p.first for p in own} == {0}
    # Nothing else changes.
    assert [p for p in plans if not p.reused] == plan_branches(CONVERSATION, EVERYWHERE, seed=4)


@pytest.mark.parametrize("horizon", [0, 1, "end"])
def test_a_reused_session_is_what_its_source_did_and_costs_no_call(horizon: int | str) -> None:
    further = {"local_horizon": horizon}
    plain, played = (play(DIFFERENT, rollout=r.model_copy(update=further)) for r in (EVERYWHERE, REUSED))
    assert played.report.waves.calls == plain.report.waves.calls
    reach = 3 if horizon == "end" else int(horizon)
    for (parent, session), members in local_groups(played.plan).items():
        own = played.branches[members[-1].id]
        last = min(session + reach, 3)
        assert own.reused and not any(played.branches[m.id].reused for m in members[:-1])
        turns = [t for t in played.branches[parent].turns if session <= t.session <= last]
        assert list(own.turns) == turns
        assert own.start_bank == memory_at(parent, session).hash == played.branches[members[0].id].start_bank
        end = played.branches[parent].final_bank if last == 3 else memory_at(parent, last + 1).hash
        assert own.final_bank == end
        # Asked what its siblings are asked, after the same session.
        asked = {tuple((i.question, i.after_session) for i in played.branches[m.id].quiz) for m in members}
        assert len(asked) == 1 and [r.session for r in own.rewards] == [last]


def test_a_reused_session_earns_local_credit_beside_the_global_credit_of_its_source() -> None:
    # Both rollouts forget the cup in session 1; only one of the two rerollouts of it does too.
    forget = "a NOOP\nb INSERT"
    plan = play(rollout=REUSED).plan
    ((parent, _), members) = next(item for item in local_groups(plan).items() if item[0][1] == 1)
    behave = at(
        {("g0", "manager", 1, 0): forget, ("g1", "manager", 1, 0): forget, (members[0].id, "manager", 1, 0): forget}
    )
    played = play(behave, rollout=REUSED)
    credit = assign(played.tree, "logo", CreditConfig(scale="mean", local_weight=0.5))
    # Rewards 0.75, 1 and, of the source itself, 0.75: mean 2.5 / 3.
    expected = {members[0].id: 0.75 - 2.5 / 3, members[1].id: 1 - 2.5 / 3, members[2].id: 0.75 - 2.5 / 3}
    for branch, advantage in expected.items():
        earned = credit.turns[branch, "manager-1.0"]
        assert earned.advantage == pytest.approx(advantage) and earned.weight == 0.5
    assert (parent, "manager-1.0") not in credit.turns  # g0 and g1 did the same, so there is no global credit
    assert credit.diagnostics.local_groups.members == 3


@pytest.mark.parametrize("session", [1, 2, 3])
def test_a_reused_session_of_a_source_that_failed_is_in_no_group(session: int) -> None:
    played = play(at({("g0", "manager", session, 1): FAILURE, ("g1", "manager", session, 1): FAILURE}), rollout=REUSED)
    for (_, first), members in local_groups(played.plan).items():
        own = played.branches[members[-1].id]
        # What was played before the failure is there; from the failing session on there is nothing to compare.
        assert own.failed == (first >= session)
        assert bool(own.rewards) == (first < session)
        if first > session:
            assert own.turns[-1].failure is not None and own.turns[-1].failure.kind is FailureKind.SKIPPED
