from __future__ import annotations

import numpy as np
import pytest

from fairmem.lab.play import Player, Scope
from fairmem.lab.rollouts import Ending, Forks, reroll, roll_out
from fairmem.lab.world import Floats, Ints
from tests.unit.lab.build import values_of


def ints(*numbers: int) -> Ints:
    return np.array(numbers, dtype=np.int64)


@pytest.fixture(scope="module")
def player() -> Player:
    return Player(values_of(8))


def test_sampled_returns_average_to_the_exact_return(player: Player) -> None:
    returns = roll_out(player, 20_000, np.random.default_rng(0)).returns_N
    # Five standard errors of the mean.
    assert returns.mean() == pytest.approx(player.values.expected_return, abs=5 * returns.std() / np.sqrt(20_000))


def test_the_advantages_of_a_rollout_add_up_to_its_luck(player: Player) -> None:
    rollouts = roll_out(player, 50, np.random.default_rng(0))
    luck = rollouts.returns_N - player.values.expected_return
    np.testing.assert_allclose(rollouts.decisions.advantages.sum(axis=0), luck, atol=1e-12)


def test_the_changes_of_a_rollout_add_up_to_its_return(player: Player) -> None:
    rollouts = roll_out(player, 50, np.random.default_rng(0))
    np.testing.assert_allclose(rollouts.decisions.changes.sum(axis=0), rollouts.returns_N, atol=1e-12)
    np.testing.assert_allclose(rollouts.hindsight_S1_N[-1], rollouts.returns_N, atol=1e-12)
    assert rollouts.hindsight_S1_N[0].tolist() == [0.0] * 50


def test_a_rerollout_of_the_whole_conversation_is_a_rollout(player: Player) -> None:
    rollouts = roll_out(player, 3, np.random.default_rng(0))
    forks = Forks(ints(0, 0), ints(1, 1), 2)
    again = reroll(player, rollouts.starts, forks, Ending(None), np.random.default_rng(5))
    fresh = roll_out(player, 2, np.random.default_rng(5))
    np.testing.assert_allclose(again.scores_N, fresh.returns_N, atol=1e-12)
    assert again.decisions.ops.tolist() == fresh.decisions.ops[:4].tolist()
    assert (again.sessions, again.questions) == (16, 2 * int(player.script.asked_K.sum()))


def test_rerollouts_start_from_the_memory_they_fork_and_count_what_they_play(player: Player) -> None:
    rollouts = roll_out(player, 3, np.random.default_rng(0))
    forks = Forks(ints(2, 2, 5, 5, 7, 7), ints(0, 0, 2, 2, 1, 1), 2)
    played = reroll(player, rollouts.starts, forks, Ending(1), np.random.default_rng(1))
    first = player.script.topic_D[[8, 8, 20, 20, 28, 28]]
    expected = [
        int(rollouts.starts[session].states_K_N[topic, column])
        for session, topic, column in zip(forks.session_N, first, forks.column_N, strict=True)
    ]
    assert played.decisions.states[0].tolist() == expected
    # The last session has none after it: 2 * 2 + 2 * 2 + 2 * 1.
    assert played.sessions == 10


def test_the_score_right_after_a_fork_is_the_quiz_of_that_memory(player: Player) -> None:
    # A policy that is certain plays alike everywhere, so every rerollout repeats what the rollout did.
    certain = Player(player.values, behaviour=type(player.values.policy)(1e3 * player.values.policy.logits_F_A))
    rollouts = roll_out(certain, 1, np.random.default_rng(0))
    expectations: dict[Scope, Floats] = {"cumulative": rollouts.quizzes_S_N, "end": rollouts.hindsight_S1_N[1:]}
    for scope, expected in expectations.items():
        played = reroll(
            certain, rollouts.starts, Forks(ints(1, 4, 7), ints(0, 0, 0), 1), Ending(0, scope), np.random.default_rng(9)
        )
        np.testing.assert_allclose(played.scores_N, expected[[1, 4, 7], 0], atol=1e-12)


def test_common_random_numbers_make_siblings_differ_by_the_fork_alone(player: Player) -> None:
    rollouts = roll_out(player, 400, np.random.default_rng(0))
    forks = Forks(np.repeat(ints(3), 800), np.repeat(np.arange(400), 2), 2)
    spread: dict[bool, float] = {}
    for common in (False, True):
        ending = Ending(None, common=common)
        scores = reroll(player, rollouts.starts, forks, ending, np.random.default_rng(1)).scores_N.reshape(-1, 2)
        spread[common] = float(np.abs(scores[:, 0] - scores[:, 1]).mean())
        # The mean over everything is that of the policy either way.
        assert scores.mean() == pytest.approx(player.values.expected_return, abs=0.03)
    assert spread[True] < 0.7 * spread[False]
