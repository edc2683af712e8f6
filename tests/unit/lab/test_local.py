from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fairmem import credit
from fairmem.errors import ConfigError
from fairmem.lab import whole
from fairmem.lab.local import LocalPlan, forks_of, logo_sample, rerollouts
from fairmem.lab.rollouts import Ending
from tests.unit.lab.build import bench_of


def test_the_paper_s_share_of_the_budget_is_that_of_its_rerollouts() -> None:
    # 16 rollouts' worth at 32 sessions: 1/9 of 512 sessions is 57, so 14 whole rollouts (448) and 64 sessions of
    # rerollouts, 16 groups of 4: half of the sessions are forked, as in Memory-R2.
    assert forks_of(bench_of(32, 2, 16), LocalPlan()) == (16, 14)
    # Seven eighths: 2 rollouts, and 448 sessions in 112 groups of 4.
    assert forks_of(bench_of(32, 2, 16), LocalPlan(share=7 / 8)) == (112, 2)
    # To the end takes 16.5 sessions on average: 448 / (4 * 16.5) = 6.8.
    assert forks_of(bench_of(32, 2, 16), LocalPlan(share=7 / 8, ending=Ending(None))) == (6, 2)
    # With four sessions after it 4.69 on average ((28 * 5 + 4 + 3 + 2 + 1) / 32): 448 / (4 * 4.69) = 23.9.
    assert forks_of(bench_of(32, 2, 16), LocalPlan(share=7 / 8, ending=Ending(4))) == (23, 2)


def test_a_plan_that_the_budget_cannot_pay_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"does not pay for 2 rollouts of 32 sessions and 8 rerollouts of 16\.5"):
        forks_of(bench_of(32, 2, 2), LocalPlan(group=8, ending=Ending(None)))


def test_tokens_of_rerollouts_and_of_whole_rollouts_are_counted() -> None:
    bench = bench_of(8, estimates=3, rollouts=16)
    sample = logo_sample(bench, LocalPlan(), "x")
    # 14 rollouts of 8 sessions and 4 groups of 4 rerolled sessions: (112 + 16) * 4 decisions * 20 tokens.
    assert sample.tokens == 128 * 80
    local, across = sample.credited
    assert local.decisions.ops.shape == (4, 3 * 4 * 4) and across.decisions.ops.shape == (32, 3 * 14)
    # Whole rollouts are asked what is asked at the end, rerollouts what can be asked after their session.
    assert sample.questions > 14 * bench.final_questions
    alone = logo_sample(bench, LocalPlan(share=7 / 8, global_weight=0.0), "x")
    assert len(alone.credited) == 1 and alone.tokens == 128 * 80


def test_sessions_to_the_end_are_counted_as_they_were_drawn() -> None:
    bench = bench_of(8, estimates=5, rollouts=16)
    plan = LocalPlan(share=7 / 8, ending=Ending(None))
    found = rerollouts(bench, plan, "x")
    forks = found.played.decisions.ops.shape[1]
    assert forks == 5 * forks_of(bench, plan)[0] * 4
    sample = logo_sample(bench, plan, "x")
    assert sample.tokens == pytest.approx((2 * 8 + found.played.sessions / 5) * 80)


def test_every_session_is_forked_once_before_any_is_forked_again() -> None:
    bench = bench_of(8, estimates=6, rollouts=16)
    plan = LocalPlan(share=1 / 2, group=2)
    assert forks_of(bench, plan) == (32, 8)
    found = rerollouts(bench, plan, "x")
    sessions = np.empty_like(found.place_N)
    sessions[found.place_N] = found.forks.session_N
    # 32 forks of 8 sessions: each of an estimate's sessions four times, and its 8 first forks are all different.
    by_fork = sessions.reshape(6, 32, 2)
    assert (np.sort(by_fork[:, :, 0]) == np.repeat(np.arange(8), 4)).all()
    assert (np.sort(by_fork[:, :8, 1]) == np.arange(8)).all()


def test_forks_start_from_all_rollouts_of_their_own_estimate() -> None:
    bench = bench_of(8, estimates=6, rollouts=16)
    found = rerollouts(bench, LocalPlan(share=1 / 2), "x")
    estimates = found.place_N // (forks_of(bench, LocalPlan(share=1 / 2))[0] * 4)
    assert (found.forks.column_N // bench.group == estimates).all()
    assert np.unique(found.forks.column_N % bench.group).tolist() == list(range(found.rollouts))
    local, _ = logo_sample(bench, LocalPlan(share=1 / 2), "x").credited
    assert local.estimate_N.tolist() == estimates.tolist()


@pytest.mark.parametrize("scale", ["std", "mean"])
def test_the_credit_is_that_of_logo(scale: credit.Scale) -> None:
    bench = bench_of(8, estimates=2, rollouts=16)
    plan = LocalPlan(share=1 / 2, scale=scale)
    found = rerollouts(bench, plan, "x")
    scores = found.scores(2, plan.group)
    local, across = logo_sample(bench, plan, "x").credited
    for estimate in range(2):
        rewards_G_S = whole.session_rewards(bench)[estimate, : found.rollouts]
        expected = credit.logo(rewards_G_S, [(1, group) for group in scores[estimate]], 1.0, scale)
        mine = local.credit[0][np.argsort(found.place_N)].reshape(2, -1, 4)[estimate]
        np.testing.assert_allclose(mine, expected.local, atol=1e-9)
        rows = across.credit.reshape(8, 4, 2, -1)[:, 0, estimate].T
        np.testing.assert_allclose(rows, expected.global_G_S, atol=1e-9)


def test_the_source_s_own_session_is_one_more_member_at_no_cost() -> None:
    bench = bench_of(8, estimates=2, rollouts=16)
    plan = LocalPlan(share=1 / 2, reuse=True, scale="mean")
    found = rerollouts(bench, plan, "x")
    without = logo_sample(bench, replace(plan, reuse=False), "x")
    sample = logo_sample(bench, plan, "x")
    assert sample.tokens == without.tokens
    local, own, across = sample.credited
    assert across.credit.tolist() == without.credited[1].credit.tolist()
    # The last fork of the second estimate, by hand.
    column = int(np.flatnonzero(found.place_N == len(found.place_N) - 1)[0])
    session, source = int(found.forks.session_N[column]), int(found.forks.column_N[column])
    mine = bench.rollouts.quizzes_S_N[session, source]
    expected = credit.group_centred([*found.scores(2, 4)[1, -1], mine], "mean").advantages
    assert local.credit[0, column] == pytest.approx(expected[3])
    ordered = np.empty_like(local.credit[0])
    ordered[found.place_N] = local.credit[0]
    assert ordered.reshape(2, -1, 4)[1, -1].tolist() == pytest.approx(expected[:4].tolist())
    # All forks of that session of that rollout add up there, and nothing is anywhere else.
    forks = [
        credit.group_centred([*scores, mine], "mean").advantages[4]
        for scores, at, of in zip(found.scores(2, 4)[1], *(part[1] for part in found._sources(2)), strict=True)
        if (at, of) == (session, source)
    ]
    place = (source % bench.group) + found.rollouts
    assert own.credit[4 * session : 4 * session + 4, place].tolist() == pytest.approx([sum(forks)] * 4)
    assert own.estimate_N[place] == 1


def test_members_of_a_group_start_alike() -> None:
    bench = bench_of(8, estimates=2, rollouts=16)
    found = rerollouts(bench, LocalPlan(share=1 / 2), "x")
    first = np.empty_like(found.played.decisions.states[0])
    first[found.place_N] = found.played.decisions.states[0]
    groups = first.reshape(-1, 4)
    assert (groups == groups[:, :1]).all() and len(np.unique(groups[:, 0])) > 1
