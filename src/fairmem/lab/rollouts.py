"""Whole rollouts of a conversation, and rerollouts that fork from them. Axes as in `fairmem.lab.play`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.lab.play import Decisions, Memories, Player, Scope
from fairmem.lab.world import Floats, Ints


@dataclass(frozen=True, slots=True)
class Rollouts:
    """N rollouts of the whole conversation.

    Attributes:
        decisions: Arrays [D, N].
        starts: The memories at the start of every session, then those at the end: S + 1.
        quizzes_S_N: Cumulative quiz after each session; nan where nothing can be asked yet.
        before_S_N: The same questions, asked before the session.
        hindsight_S1_N: Quiz with the questions of the end at the start of every session and at the end: S + 1.
        session_rewards_S_N: Final score attributed to sessions.
    """

    decisions: Decisions
    starts: Sequence[Memories]
    quizzes_S_N: Floats
    before_S_N: Floats
    hindsight_S1_N: Floats
    session_rewards_S_N: Floats

    @property
    def returns_N(self) -> Floats:
        """Final scores."""
        return self.quizzes_S_N[-1]


def roll_out(player: Player, n: int, rng: np.random.Generator) -> Rollouts:
    """Play the whole conversation n times."""
    settings = player.script.settings
    memories = Memories.empty(player.values, n)
    starts = [memories.copy()]
    played: list[Decisions] = []
    quizzes: list[Floats] = []
    before: list[Floats] = []
    hindsight = [player.quiz(memories, 0, "end")]
    for session in range(settings.sessions):
        before.append(player.quiz_before(memories, session))
        played.append(player.play(memories, session, rng.random((settings.statements, n))))
        quizzes.append(player.quiz(memories, session, "cumulative"))
        hindsight.append(player.quiz(memories, session, "end"))
        starts.append(memories.copy())
    return Rollouts(
        Decisions.joined(played),
        starts,
        np.array(quizzes),
        np.array(before),
        np.array(hindsight),
        player.session_rewards(memories),
    )


@dataclass(frozen=True, slots=True)
class Rerollouts:
    """N rerollouts, each of one session and those that follow it.

    Attributes:
        decisions: Those of the forked session, arrays [E, N].
        scores_N: Quiz after the last session played; nan without a question.
        sessions: Sessions sampled, over all rerollouts.
        questions: Questions asked, over all rerollouts.
    """

    decisions: Decisions
    scores_N: Floats
    sessions: int
    questions: int


@dataclass(frozen=True, slots=True)
class Forks:
    """Where rerollouts start: N columns, `group` neighbours of which start alike, in ascending order of session.

    Attributes:
        session_N: The forked session, from 0.
        column_N: The rollout whose memory they start from.
        group: R, columns per start.
    """

    session_N: Ints
    column_N: Ints
    group: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How rerollouts go on and are scored.

    Attributes:
        horizon: Sessions played after the forked one, or None for all to the end.
        scope: What the quiz asks.
        common: Whether the members of a group use common random numbers after the forked session, so that what
            the fork did not change happens alike to all of them.
    """

    horizon: int | None = 0
    scope: Scope = "cumulative"
    common: bool = False


def reroll(
    player: Player, starts: Sequence[Memories], forks: Forks, ending: Ending, rng: np.random.Generator
) -> Rerollouts:
    """Play the forked sessions anew, and on; `starts` are the memories at the start of each session."""
    settings = player.script.settings
    n, last = len(forks.session_N), settings.sessions - 1
    ends_N = np.full(n, last) if ending.horizon is None else np.minimum(forks.session_N + ending.horizon, last)
    memories = starts[0].take(np.zeros(n, dtype=np.int64))
    found = Decisions.empty((settings.statements, n))
    scores_N = np.full(n, np.nan)
    low = high = questions = 0
    for session in range(settings.sessions):
        begun = high
        high = int(np.searchsorted(forks.session_N, session, side="right"))
        memories.put(begun, starts[session].take(forks.column_N[begun:high]))
        if low == high:
            continue
        drawn_E_N = rng.random((settings.statements, high - low))
        if ending.common:
            continued = slice(0, begun - low)
            drawn_E_N[:, continued] = np.repeat(drawn_E_N[:, continued][:, :: forks.group], forks.group, axis=1)
        decisions = player.play(memories.view(low, high), session, drawn_E_N)
        found.put(begun, decisions.take(slice(begun - low, None)))
        done = int(np.searchsorted(ends_N, session, side="right"))
        # Scores of one fork session at a time: scope `session` asks about that.
        for fork in np.unique(forks.session_N[low:done]):
            first, stop = (int(np.searchsorted(forks.session_N, fork, side=side)) for side in ("left", "right"))
            first, stop = max(first, low), min(stop, done)
            scores_N[first:stop] = player.quiz(memories.view(first, stop), session, ending.scope, int(fork))
            questions += (stop - first) * player.questions(session, ending.scope, int(fork))
        low = done
    return Rerollouts(found, scores_N, int((ends_N - forks.session_N + 1).sum()), questions)
