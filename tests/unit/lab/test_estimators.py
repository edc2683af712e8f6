from __future__ import annotations

import numpy as np
import pytest

from fairmem import credit
from fairmem.credit import CREDIT_RULES, Need
from fairmem.errors import ConfigError
from fairmem.lab import whole
from fairmem.lab.bench import Bench
from fairmem.lab.estimators import RULES, chosen
from fairmem.lab.exact import solve
from fairmem.lab.script import script_of
from fairmem.lab.world import SHARE, Floats, Kind, Op
from tests.unit.lab.build import bench_of, plain, uniform, values_of


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Many estimates at a short horizon, so that means are sharp."""
    return Bench(values_of(6, 1.0), 4000, 16 * 6 * 80, 0, ("sharp",))


def distance(bench: Bench, rule: str) -> tuple[float, float]:
    """(relative distance of the mean estimate, best scaled, from the exact gradient; its standard error)."""
    estimates: Floats = bench.gradients(RULES[rule].sample(bench)).reshape(bench.estimates, -1)
    exact = bench.values.gradient_F_A.ravel()
    mean = estimates.mean(axis=0)
    scaled = mean * (mean @ exact) / (mean @ mean)
    noise = np.sqrt(estimates.var(axis=0).sum() / bench.estimates) / np.linalg.norm(mean)
    return float(np.linalg.norm(scaled - exact) / np.linalg.norm(exact)), float(noise)


@pytest.mark.parametrize("rule", ["oracle", "broadcast_loo", "local_end_mean", "local_end_common", "vine_continue"])
def test_the_mean_of_unbiased_rules_has_the_direction_of_the_exact_gradient(bench: Bench, rule: str) -> None:
    found, noise = distance(bench, rule)
    assert found < 1.5 * noise + 1e-3
    assert noise < 0.12


@pytest.mark.parametrize("rule", ["grpo", "logo", "local", "per_turn"])
def test_rules_that_are_biased_here_stay_so_with_any_number_of_samples(bench: Bench, rule: str) -> None:
    found, noise = distance(bench, rule)
    assert found > 5 * noise


def test_the_oracle_is_the_exact_gradient_in_length_too(bench: Bench) -> None:
    estimates = bench.gradients(RULES["oracle"].sample(bench)) / bench.group
    error = estimates.std(axis=0) / np.sqrt(bench.estimates)
    assert (np.abs(estimates.mean(axis=0) - bench.values.gradient_F_A) <= 5 * error + 1e-12).all()


def test_every_rule_spends_its_budget_and_not_more() -> None:
    bench = bench_of(16, estimates=50, rollouts=16)
    budget = bench.sessions * 80
    for name, estimator in RULES.items():
        sample = estimator.sample(bench)
        assert 0.8 * budget < sample.tokens < 1.1 * budget, name


def test_every_rule_that_trains_is_in_the_lab() -> None:
    compared = {name for name, rule in CREDIT_RULES.items() if Need.DEMONSTRATIONS not in rule.needs}
    assert compared <= set(RULES)
    for estimator in RULES.values():
        assert estimator.about
        assert not estimator.stands_for or hasattr(credit, estimator.stands_for)


def test_an_unknown_rule_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(ConfigError, match=r"^no rule 'lgo' in the lab; nearest: logo"):
        chosen(["grpo", "lgo"])
    with pytest.raises(ConfigError, match=r"nearest: oracle, grpo, "):
        chosen(["§"])
    assert [estimator.name for estimator in chosen(["logo", "grpo"])] == ["grpo", "logo"]


def test_equal_memories_are_anchors_and_others_are_not() -> None:
    bench = bench_of(6, estimates=2, rollouts=8)
    rewards = whole.session_rewards(bench)
    # Before the first session all memories are equal, later ever fewer are.
    kept = whole.gigpo(bench).credited[0].credit.reshape(6, 4, 2, 8)[:, 0]
    states = [memories.states_K_N for memories in bench.rollouts.starts[:-1]]
    names = np.array([np.unique(part, axis=1, return_inverse=True)[1].reshape(2, 8) for part in states])
    for estimate in range(2):
        expected = credit.gigpo(rewards[estimate], names[:, estimate].T)
        np.testing.assert_allclose(kept[:, estimate].T, expected.advantages_G_S, atol=1e-9)


def test_operations_are_credited_as_the_rule_does_it() -> None:
    bench = bench_of(5, estimates=2, rollouts=6)
    decisions = bench.rollouts.decisions
    found = whole.counterfactual_op(bench).credited[0].credit.reshape(bench.decisions, 2, 6)
    for estimate in range(2):
        expected = credit.counterfactual_op(decisions.changes.reshape(bench.decisions, 2, 6)[:, estimate].T, "std")
        np.testing.assert_allclose(found[:, estimate].T, expected.advantages_G_D, atol=1e-9)


def test_the_critic_of_ppo_is_fitted_to_the_rollouts_of_another_estimate() -> None:
    bench = bench_of(5, estimates=3, rollouts=6)
    rollouts, returns = bench.rollouts, whole.returns(bench)
    seen = np.array(
        [
            [np.ones(18), np.full(18, s / 5), np.full(18, (s / 5) ** 2), start.size_N / 20, start.open_N]
            for s, start in enumerate(rollouts.starts[:-1])
        ]
    )
    seen[:, 4] /= bench.final_questions
    features = np.moveaxis(seen, 2, 0).reshape(3, 6, 5, 5)  # estimate, rollout, session, feature
    found = whole.ppo(bench).credited[0].credit.reshape(5, 4, 3, 6)[:, 0]
    for estimate in range(3):
        rows = features[estimate - 1].reshape(-1, 5)
        targets = np.repeat(returns[estimate - 1], 5)
        weights = np.linalg.solve(rows.T @ rows + 1e-3 * np.eye(5), rows.T @ targets)
        for rollout in range(6):
            values = [*(features[estimate, rollout] @ weights), 0.0]
            expected, _ = credit.gae([0, 0, 0, 0, returns[estimate, rollout]], values)
            np.testing.assert_allclose(found[:, estimate, rollout], expected, atol=1e-9)


def test_hindsight_is_the_posterior_given_the_answer() -> None:
    script = script_of(plain(2), [(Kind.FACT, 0), (Kind.REPEAT, 0)])
    bench = Bench(solve(script, uniform()), 1, 200 * 40, 0, ("x",))
    found = whole.hindsight_probabilities(bench)[0]
    # Written (ADD, 1/4): the question is answered unless the repetition makes it DELETE, 3/4. Not written: if the
    # repetition is written, 1/4. So P(ADD | answered) = (1/4 * 3/4) / (1/4 * 3/4 + 3/4 * 1/4) = 1/2, each other
    # operation 1/6; P(ADD | not answered) = (1/4 * 1/4) / (1/4 * 1/4 + 3/4 * 3/4) = 1/10, each other 3/10.
    wrote = bench.rollouts.decisions.ops[0] == Op.ADD
    answered = SHARE[bench.rollouts.starts[-1].states_K_N[0]] == 1
    expected = np.where(answered, np.where(wrote, 1 / 2, 1 / 6), np.where(wrote, 1 / 10, 3 / 10))
    np.testing.assert_allclose(found, expected)
    assert len(np.unique(expected)) == 4


def test_only_the_last_writing_of_what_is_answered_from_is_used() -> None:
    bench = bench_of(8, estimates=1, rollouts=4)
    script = bench.values.script
    weights = np.array(whole.membuilder(bench).credited[0].credit)
    plain = np.array(whole.sessions("std")(bench).credited[0].credit)
    ratio = np.divide(weights, plain, out=np.ones_like(plain), where=plain != 0)
    assert set(np.round(ratio.ravel(), 9).tolist()) == {1.0, 4.0}
    heavy = np.argwhere(np.isclose(ratio, 4.0))
    assert script.asked_K[script.topic_D[heavy[:, 0]]].all()
    # At most one decision per topic and rollout.
    pairs = [(int(script.topic_D[decision]), int(column)) for decision, column in heavy]
    assert len(pairs) == len(set(pairs))
