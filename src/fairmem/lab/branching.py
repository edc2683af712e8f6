"""Rules that play from inner memories to the end: trees of rollouts, and continuations of VinePPO."""

from __future__ import annotations

import numpy as np

from fairmem.errors import ConfigError
from fairmem.lab import batched
from fairmem.lab.bench import Bench, Credited, Sample
from fairmem.lab.play import Decisions, Memories
from fairmem.lab.rollouts import Ending, Forks, reroll
from fairmem.lab.world import Floats, Ints

DEPTH = 3
"""Segments of a path in the tree: its rollouts branch after each third of the sessions but the last."""
BRANCHES = 2
"""Children of an inner node."""
CONTINUATIONS = 4
"""Rollouts to the end from each of the two memories that a session is valued by."""


def tree(bench: Bench) -> Sample:
    """Leaf averages. A node is a segment of sessions; as many roots as the budget pays for."""
    bounds = [round(bench.horizon * level / DEPTH) for level in range(DEPTH + 1)]
    lengths = np.diff(bounds)
    cost = int((lengths * BRANCHES ** np.arange(DEPTH)).sum())
    roots = bench.sessions // cost
    if roots < 2:
        raise ConfigError(f"a budget of {bench.sessions} sessions pays for {roots} trees of {cost}; raise --tokens")
    rng, width = bench.rng("tree"), bench.values.script.settings.statements
    memories = Memories.empty(bench.values, bench.estimates * roots)
    played: list[Decisions] = []
    for level in range(DEPTH):
        if level:
            memories = memories.take(np.repeat(np.arange(len(memories.size_N)), BRANCHES))
        n = len(memories.size_N)
        parts = [
            bench.player.play(memories, s, rng.random((width, n))) for s in range(bounds[level], bounds[level + 1])
        ]
        played.append(Decisions.joined(parts))
    leaves_N = bench.player.quiz(memories, bench.horizon - 1, "cumulative")
    credited = [
        _level(decisions, leaves_N, bench.estimates, BRANCHES if level else roots)
        for level, decisions in enumerate(played)
    ]
    questions = len(leaves_N) * bench.final_questions / bench.estimates
    return Sample(tuple(credited), roots * cost * width, questions)


def _level(decisions: Decisions, leaves_N: Floats, estimates: int, family: int) -> Credited:
    """The nodes of one depth, `family` of which share a parent, with the credit of the leaves below them."""
    nodes = decisions.ops.shape[1]
    values_N = leaves_N.reshape(nodes, -1).mean(axis=1)
    credit_N = batched.tree_level(values_N.reshape(estimates, -1, family), "std").ravel()
    return Credited(decisions, np.broadcast_to(credit_N, decisions.ops.shape), np.arange(nodes) // (nodes // estimates))


def vine_continue(bench: Bench) -> Sample:
    """Half of the budget for continuations from the memories before and after randomly drawn sessions of rollouts.

    Valuing every memory of every rollout, as in the paper, costs S / 2 rollouts per rollout and continuation: at 32
    sessions the whole budget does not pay for one. Sessions that were not drawn are not learned from.
    """
    lengths = np.arange(bench.horizon, 0, -1)
    cost = CONTINUATIONS * float((2 * lengths - 1).mean())
    rollouts = max(2, round(bench.sessions / 2 / bench.horizon))
    draws = int((bench.sessions - rollouts * bench.horizon) // cost)
    if draws < 1:
        raise ConfigError(
            f"a budget of {bench.sessions} sessions does not pay for 2 rollouts of {bench.horizon} sessions and "
            f"{CONTINUATIONS} continuations from two memories; raise --tokens"
        )
    rng = bench.rng("vine_continue")
    sessions_M = rng.integers(bench.horizon, size=bench.estimates * draws)
    estimates_M = np.repeat(np.arange(bench.estimates), draws)
    rollout_M = rng.integers(rollouts, size=len(sessions_M))
    columns_M = estimates_M * bench.group + rollout_M
    before_M, before_sessions, before_questions = _continued(bench, sessions_M, columns_M, rng)
    after_M = bench.rollouts.returns_N[columns_M].copy()
    inner = sessions_M + 1 < bench.horizon
    after_M[inner], sessions, questions = _continued(bench, sessions_M[inner] + 1, columns_M[inner], rng)
    credit_B_G_S = np.zeros((bench.estimates, rollouts, bench.horizon))
    np.add.at(credit_B_G_S, (estimates_M, rollout_M, sessions_M), after_M - before_M)
    sampled = rollouts * bench.horizon + (before_sessions + sessions) / bench.estimates
    asked = rollouts * bench.final_questions + (before_questions + questions) / bench.estimates
    width = bench.values.script.settings.statements
    return Sample((bench.credited(credit_B_G_S),), sampled * width, float(asked))


def _continued(bench: Bench, sessions_M: Ints, columns_M: Ints, rng: np.random.Generator) -> tuple[Floats, int, int]:
    """(mean final score of continuations from each memory, sessions sampled, questions asked)."""
    order = np.argsort(sessions_M, kind="stable")
    forks = Forks(
        np.repeat(sessions_M[order], CONTINUATIONS), np.repeat(columns_M[order], CONTINUATIONS), CONTINUATIONS
    )
    played = reroll(bench.player, bench.rollouts.starts, forks, Ending(None), rng)
    values_M = np.empty(len(sessions_M))
    values_M[order] = played.scores_N.reshape(-1, CONTINUATIONS).mean(axis=1)
    return values_M, played.sessions, played.questions
