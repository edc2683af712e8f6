from __future__ import annotations

import numpy as np
import pytest

from fairmem.lab.exact import solve
from fairmem.lab.play import Memories, Player
from fairmem.lab.script import Script, script_of
from fairmem.lab.world import ENTRIES, FEATURE, NEXT, SHARE, Floats, Kind, Op
from tests.unit.lab.build import fact_then_change, plain, uniform, values_of

FACT, PASSING, CHANGE, REPEAT, NOISE = Kind
DRAW = {Op.NOOP: 0.1, Op.ADD: 0.3, Op.UPDATE: 0.6, Op.DELETE: 0.9}
"""Under the uniform policy, a number that makes each operation."""


def player_of(script: Script) -> Player:
    return Player(solve(script, uniform()))


def drawn(*ops: Op) -> Floats:
    """Numbers by which one memory takes these operations in a session."""
    return np.array([[DRAW[op]] for op in ops])


def test_quizzes_of_a_fact_that_changes_worked_by_hand() -> None:
    player = player_of(fact_then_change())
    memories = Memories.empty(player.values, 1)
    decisions = player.play(memories, 0, drawn(Op.ADD))
    # One right entry after one statement: 1 - 0.4. So at once it looks good to write, although it is not (-0.01875).
    assert player.quiz(memories, 0, "cumulative").tolist() == pytest.approx([0.6])
    assert decisions.advantages.tolist() == [[pytest.approx(-0.01875)]]
    # The end asks for another value; the entry costs 0.4 / 2 then.
    assert player.quiz(memories, 0, "end").tolist() == pytest.approx([-0.2])
    assert decisions.changes.tolist() == [[pytest.approx(-0.2)]]
    # What session 2 asks, asked before it: the entry says something else.
    assert player.quiz_before(memories, 1).tolist() == pytest.approx([-0.2])
    decisions = player.play(memories, 1, drawn(Op.UPDATE))
    assert player.quiz(memories, 1, "cumulative").tolist() == pytest.approx([0.8])
    assert decisions.advantages.tolist() == [[pytest.approx(0.8 - 0.175)]]
    assert decisions.changes.tolist() == [[pytest.approx(1.0)]]
    # All evidence of the final question is in session 2.
    assert player.session_rewards(memories).tolist() == [[pytest.approx(np.nan, nan_ok=True)], [pytest.approx(0.8)]]


def test_what_is_asked_depends_on_session_and_scope() -> None:
    # Session 1: a lasting and a passing fact. Session 2: a change, noise about the topic. A quiz asks at once.
    script = script_of(
        plain(2, 2, hold=1),
        [(FACT, 0), (PASSING, 1), (CHANGE, 0), (NOISE, 0)],
    )
    player = player_of(script)
    memories = Memories.empty(player.values, 1)
    player.play(memories, 0, drawn(Op.ADD, Op.ADD))
    # Both are right: 1 - 0.4 * 2 / 2. Of the end's question nothing is known yet: 0 - 0.4 * 2 / 4.
    assert player.quiz(memories, 0, "cumulative").tolist() == pytest.approx([0.6])
    assert player.quiz(memories, 0, "session").tolist() == pytest.approx([0.6])
    assert player.quiz(memories, 0, "end").tolist() == pytest.approx([-0.2])
    assert player.quiz(memories, 0, "both").tolist() == pytest.approx([0.6])
    assert [player.questions(0, scope) for scope in ("cumulative", "session", "both", "end")] == [2, 2, 2, 1]
    player.play(memories, 1, drawn(Op.ADD, Op.NOOP))
    # The passing fact is no longer asked about; the change added a right entry beside the wrong one: 1/2 - 0.4 * 3 / 4.
    assert player.quiz(memories, 1, "cumulative").tolist() == pytest.approx([0.2])
    # Session 1 holds no evidence any more: one fact passed, the other changed.
    assert np.isnan(player.quiz(memories, 1, "session", forked=0)).all()
    assert player.questions(1, "session", forked=0) == 0


@pytest.mark.parametrize("interaction", [0.0, 1.0])
def test_running_sums_equal_sums_over_all_topics(interaction: float) -> None:
    player = Player(values_of(16, interaction))
    script, rng = player.script, np.random.default_rng(0)
    memories = Memories.empty(player.values, 50)
    for session in range(16):
        before = memories.copy()
        shares_K_N = SHARE[before.states_K_N]
        asked_K = script.open_K(session)
        changed = [
            int(topic)
            for kind, topic in zip(
                *(a[4 * session : 4 * session + 4] for a in (script.kind_D, script.topic_D)), strict=True
            )
            if kind == CHANGE
        ]
        shares_K_N[changed] = 0
        expected = shares_K_N[asked_K].sum(axis=0) / asked_K.sum() * script.settings.found**before.size_N
        expected -= script.settings.entry_cost * before.size_N / (4 * (session + 1))
        np.testing.assert_allclose(player.quiz_before(memories, session), expected, atol=1e-12)
        player.play(memories, session, rng.random((4, 50)))
        np.testing.assert_allclose(memories.open_N, SHARE[memories.states_K_N[asked_K]].sum(axis=0), atol=1e-12)
        assert memories.size_N.tolist() == ENTRIES[memories.states_K_N].sum(axis=0).tolist()
    for column in range(3):
        exact = player.values.value(memories.states_K_N[:, column], script.decisions)
        assert player.value(memories)[column] == pytest.approx(exact, abs=1e-12)
        assert player.quiz(memories, 15, "cumulative")[column] == pytest.approx(exact, abs=1e-12)
        assert player.quiz(memories, 15, "end")[column] == pytest.approx(exact, abs=1e-12)


def test_both_scopes_weigh_the_session_as_much_as_all_else() -> None:
    # Session 1: facts 0 and 1, of which the first is written. Session 2: fact 2, written, and a repetition of fact 0.
    script = script_of(plain(2, 2), [(FACT, 0), (FACT, 1), (FACT, 2), (REPEAT, 0)])
    player = player_of(script)
    memories = Memories.empty(player.values, 1)
    player.play(memories, 0, drawn(Op.ADD, Op.NOOP))
    player.play(memories, 1, drawn(Op.ADD, Op.NOOP))
    # About session 2 both right, 1; fact 1 is missing, 0: mean 1/2. Two entries after four statements: 0.4 * 2 / 4.
    assert player.quiz(memories, 1, "both").tolist() == pytest.approx([0.3])
    # All alike: 2/3. About session 1, fact 0 is right and fact 1 missing, 1/2; the other, fact 2, is right, 1: 3/4.
    assert player.quiz(memories, 1, "cumulative").tolist() == pytest.approx([2 / 3 - 0.2])
    assert player.quiz(memories, 1, "both", forked=0).tolist() == pytest.approx([0.75 - 0.2])


def test_the_value_of_an_inner_memory_is_that_of_the_exact_tables() -> None:
    player = Player(values_of(16))
    memories = Memories.empty(player.values, 4)
    rng = np.random.default_rng(0)
    for session in range(9):
        player.play(memories, session, rng.random((4, 4)))
    expected = [player.values.value(memories.states_K_N[:, column], 36) for column in range(4)]
    assert player.value(memories).tolist() == pytest.approx(expected, abs=1e-12)


def test_decisions_are_recorded_as_they_were_taken() -> None:
    player = Player(values_of(8))
    memories = Memories.empty(player.values, 20)
    kind_D, topic_D = player.script.kind_D, player.script.topic_D
    before = memories.copy()
    decisions = player.play(memories, 0, np.random.default_rng(0).random((4, 20)))
    for place in range(4):
        states_N = before.states_K_N[topic_D[place]]
        assert decisions.states[place].tolist() == states_N.tolist()
        assert decisions.features[place].tolist() == FEATURE[kind_D[place], states_N].tolist()
        before.states_K_N[topic_D[place]] = NEXT[kind_D[place], states_N, decisions.ops[place]]
    assert memories.states_K_N.tolist() == before.states_K_N.tolist()


def test_a_fork_never_changes_its_parent() -> None:
    player = Player(values_of(8))
    parent = Memories.empty(player.values, 3)
    player.play(parent, 0, np.random.default_rng(0).random((4, 3)))
    kept = parent.copy()
    fork = parent.take(np.array([1, 1, 1]))
    player.play(fork, 1, np.random.default_rng(1).random((4, 3)))
    assert parent.states_K_N.tolist() == kept.states_K_N.tolist()
    assert parent.product_N.tolist() == kept.product_N.tolist()
