"""Playing sessions on many memories side by side, and the quizzes of these memories.

Axes besides those of `fairmem.lab.world`: N rollouts (columns), E statements of one session, A operations, X states.
Columns are independent, so a batch of any make-up (siblings, rerollouts, estimates) is one pass over the statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fairmem.lab.exact import ExactValues
from fairmem.lab.policy import Policy
from fairmem.lab.script import Script
from fairmem.lab.world import ENTRIES, FEATURE, NEXT, SHARE, Bytes, Floats, Ints, Kind, Op

Scope = Literal["cumulative", "session", "both", "end"]
"""What a quiz after a session asks: all that can be asked by then; what is about the forked session; both,
that and all else with half of the weight each; or what will be asked at the end, with the answers there are then (and
the cost of entries divided by the statements there are then)."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """Sampled decisions, arrays of shape [D or E, N].

    Attributes:
        states: Of the statement's topic, before the decision.
        features: What the policy saw.
        ops: What it did.
        advantages: What that was worth, exactly.
        changes: What it changed in the score on the questions of the end.
    """

    states: Bytes
    features: Bytes
    ops: Bytes
    advantages: Floats
    changes: Floats

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Decisions:
        """Room for decisions of this shape."""
        states, features, ops = (np.empty(shape, dtype=np.uint8) for _ in range(3))
        return cls(states, features, ops, np.empty(shape), np.empty(shape))

    @classmethod
    def joined(cls, parts: Sequence[Decisions]) -> Decisions:
        """One after another."""
        return cls(
            np.concatenate([part.states for part in parts]),
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.ops for part in parts]),
            np.concatenate([part.advantages for part in parts]),
            np.concatenate([part.changes for part in parts]),
        )

    def take(self, columns: Ints | slice) -> Decisions:
        """These columns."""
        return Decisions(
            self.states[:, columns],
            self.features[:, columns],
            self.ops[:, columns],
            self.advantages[:, columns],
            self.changes[:, columns],
        )

    def put(self, low: int, other: Decisions) -> None:
        """Overwrite the columns from `low` on."""
        mine = self.take(slice(low, low + other.ops.shape[1]))
        mine.states[:] = other.states
        mine.features[:] = other.features
        mine.ops[:] = other.ops
        mine.advantages[:] = other.advantages
        mine.changes[:] = other.changes


@dataclass(frozen=True, slots=True)
class Memories:
    """The memories of N rollouts at one moment. The one mutable record here: arrays are changed in place.

    Attributes:
        states_K_N: State of every topic.
        size_N: Entries.
        open_N: Sum of `SHARE` over the topics asked about after the latest session.
        settled_N: The same over those asked about at the end whose last value has been said.
        product_N: Product of w over topics (see `fairmem.lab.exact`).
        ratios_N: Sum of u / w over topics.
        entries_N: Sum of e over topics.
    """

    states_K_N: Bytes
    size_N: Ints
    open_N: Floats
    settled_N: Floats
    product_N: Floats
    ratios_N: Floats
    entries_N: Floats

    @classmethod
    def empty(cls, values: ExactValues, n: int) -> Memories:
        """N empty memories at the start of the conversation."""
        u, w, e = values.start_K_3.T
        return cls(
            np.zeros((values.script.topics, n), dtype=np.uint8),
            np.zeros(n, dtype=np.int64),
            np.zeros(n),
            np.zeros(n),
            np.full(n, w.prod()),
            np.full(n, (u / w).sum()),
            np.full(n, e.sum()),
        )

    def take(self, columns: Ints) -> Memories:
        """A copy of these columns: a fork."""
        return self._select(columns)

    def copy(self) -> Memories:
        """A copy of all columns."""
        return self._select(np.arange(len(self.size_N)))

    def view(self, low: int, high: int) -> Memories:
        """These columns themselves; changing them changes this."""
        return self._select(slice(low, high))

    def put(self, low: int, other: Memories) -> None:
        """Overwrite the columns from `low` on."""
        mine = self.view(low, low + len(other.size_N))
        mine.states_K_N[:] = other.states_K_N
        mine.size_N[:] = other.size_N
        mine.open_N[:] = other.open_N
        mine.settled_N[:] = other.settled_N
        mine.product_N[:] = other.product_N
        mine.ratios_N[:] = other.ratios_N
        mine.entries_N[:] = other.entries_N

    def _select(self, columns: Ints | slice) -> Memories:
        return Memories(
            self.states_K_N[:, columns],
            self.size_N[columns],
            self.open_N[columns],
            self.settled_N[columns],
            self.product_N[columns],
            self.ratios_N[columns],
            self.entries_N[columns],
        )


class Player:
    """Plays sessions of one script; `values` are those of the trained policy, whoever plays."""

    def __init__(self, values: ExactValues, behaviour: Policy | None = None) -> None:
        """`behaviour` decides instead of the trained policy if given."""
        self.values = values
        self.script: Script = values.script
        probabilities_F_A = (behaviour or values.policy).probabilities_F_A
        self._cumulative_F_3 = probabilities_F_A.cumsum(axis=1)[:, : len(Op) - 1]
        script = self.script
        self._asked = int(script.asked_K.sum())
        sets_value_D = np.isin(script.kind_D, (Kind.FACT, Kind.PASSING, Kind.CHANGE))
        self._set_last_K = np.full(script.topics, -1)
        self._set_last_K[script.topic_D[sets_value_D]] = np.flatnonzero(sets_value_D)
        self._changes_D = script.kind_D == Kind.CHANGE

    def value(self, memories: Memories) -> Floats:
        """Exact V of each memory [N]."""
        answers = memories.product_N * memories.ratios_N / self._asked
        return answers - self.script.settings.entry_cost / self.script.decisions * memories.entries_N

    def play(self, memories: Memories, session: int, drawn_E_N: Floats) -> Decisions:
        """Play one session on all `memories`, in place; operations follow from uniform numbers in [0, 1)."""
        found = Decisions.empty(drawn_E_N.shape)
        value_N, score_N = self.value(memories), self.quiz(memories, session, "end")
        for place, drawn_N in enumerate(drawn_E_N):
            decision = session * len(drawn_E_N) + place
            found.states[place] = memories.states_K_N[self.script.topic_D[decision]]
            found.features[place], found.ops[place] = self._decide(memories, decision, drawn_N)
            later_N = self.value(memories)
            found.advantages[place] = later_N - value_N
            scored_N = self.quiz(memories, session, "end")
            found.changes[place] = scored_N - score_N
            value_N, score_N = later_N, scored_N
        self._end_session(memories, session)
        return found

    def _decide(self, memories: Memories, decision: int, drawn_N: Floats) -> tuple[Bytes, Bytes]:
        """One decision of every column; all sums follow from tables over (state, operation)."""
        script, values = self.script, self.values
        kind, topic = script.kind_D[decision], script.topic_D[decision]
        states_N = memories.states_K_N[topic]
        thresholds_3_X = self._cumulative_F_3[FEATURE[kind]].T
        ops_N = np.zeros(len(states_N), dtype=np.uint8)
        for threshold_X in thresholds_3_X:
            ops_N += drawn_N >= threshold_X[states_N]
        features_N = FEATURE[kind][states_N]
        cells_N = states_N * np.uint8(len(Op)) + ops_N

        after_X_A = NEXT[kind]
        (u, w, e), (u_next, w_next, e_next) = values.before_D_3_X[decision], values.after_D_3_X[decision]
        memories.product_N[:] *= (w_next[after_X_A] / w[:, None]).ravel()[cells_N]
        memories.ratios_N[:] += ((u_next / w_next)[after_X_A] - (u / w)[:, None]).ravel()[cells_N]
        memories.entries_N[:] += (e_next[after_X_A] - e[:, None]).ravel()[cells_N]
        memories.size_N[:] += (ENTRIES[after_X_A] - ENTRIES[:, None]).ravel()[cells_N]
        gain_N = (SHARE[after_X_A] - SHARE[:, None]).ravel()[cells_N]
        if script.opens_K[topic] < decision // script.settings.statements:
            memories.open_N[:] += gain_N
        if script.asked_K[topic] and decision >= self._set_last_K[topic]:
            first = decision == self._set_last_K[topic]
            memories.settled_N[:] += SHARE[after_X_A].ravel()[cells_N] if first else gain_N
        states_N[:] = after_X_A.ravel()[cells_N]
        return features_N, ops_N

    def _end_session(self, memories: Memories, session: int) -> None:
        """Topics that the quiz after `session` asks about for the first time come in, those it no longer does leave."""
        script = self.script
        for topic in np.flatnonzero((script.opens_K == session) & (script.closes_K > session)):
            memories.open_N[:] += SHARE[memories.states_K_N[topic]]
        for topic in np.flatnonzero((script.closes_K == session) & (script.opens_K < session)):
            memories.open_N[:] -= SHARE[memories.states_K_N[topic]]

    def quiz(self, memories: Memories, session: int, scope: Scope, forked: int | None = None) -> Floats:
        """Score of each memory [N] on a quiz after `session`: mean answer minus the cost of entries.

        nan where there is no question. `forked` is the session that scope `session` asks about (default: `session`).
        """
        if scope == "cumulative":
            shares_N, questions = memories.open_N, int(self.script.open_K(session).sum())
        elif scope == "end":
            shares_N, questions = memories.settled_N, self._asked
        else:
            topics = self._stated(session if forked is None else forked, session)
            shares_N, questions = SHARE[memories.states_K_N[topics]].sum(axis=0), len(topics)
            others = int(self.script.open_K(session).sum()) - questions
            if scope == "both" and others:
                others_N = (memories.open_N - shares_N) / others
                shares_N, questions = (shares_N / questions + others_N) / 2 if questions else others_N, 1
        last = self.script.settings.sessions - 1
        return self._score(memories, shares_N, questions, last if scope == "end" else session)

    def quiz_before(self, memories: Memories, session: int) -> Floats:
        """Score [N] on the questions and answers of the cumulative quiz after `session`, asked before it is played."""
        script = self.script
        shares_N = memories.open_N.copy()
        changed_K = np.zeros(script.topics, dtype=np.bool_)
        during = self._statements(session)
        changed_K[script.topic_D[during][self._changes_D[during]]] = True
        leaving_K = (
            (script.opens_K < session) & (script.closes_K >= session) & ((script.closes_K == session) | changed_K)
        )
        coming_K = (script.opens_K == session) & (script.closes_K > session) & ~changed_K
        for topic in np.flatnonzero(leaving_K):
            shares_N -= SHARE[memories.states_K_N[topic]]
        for topic in np.flatnonzero(coming_K):
            shares_N += SHARE[memories.states_K_N[topic]]
        return self._score(memories, shares_N, int(script.open_K(session).sum()), session)

    def questions(self, session: int, scope: Scope, forked: int | None = None) -> int:
        """How many questions `quiz` asks."""
        if scope in ("cumulative", "both"):
            return int(self.script.open_K(session).sum())
        return self._asked if scope == "end" else len(self._stated(session if forked is None else forked, session))

    def session_rewards(self, memories: Memories) -> Floats:
        """Final score attributed to sessions [S, N]: mean over the questions with evidence there; nan without one."""
        evidence_K_S = self.script.evidence_K_S
        shares_S_N = evidence_K_S.T.astype(np.float64) @ SHARE[memories.states_K_N]
        counts_S = evidence_K_S.sum(axis=0)
        last = self.script.settings.sessions - 1
        rows = [self._score(memories, shares_N, int(n), last) for shares_N, n in zip(shares_S_N, counts_S, strict=True)]
        return np.array(rows)

    def _score(self, memories: Memories, shares_N: Floats, questions: int, session: int) -> Floats:
        if questions == 0:
            return np.full(len(memories.size_N), np.nan)
        settings = self.script.settings
        heard = (session + 1) * settings.statements
        found_N = settings.found**memories.size_N
        return shares_N * found_N / questions - settings.entry_cost * memories.size_N / heard

    def _statements(self, session: int) -> slice:
        width = self.script.settings.statements
        return slice(session * width, (session + 1) * width)

    def _stated(self, forked: int, session: int) -> Ints:
        """Topics that a question after `session` has evidence about in session `forked`."""
        script = self.script
        truly = script.kind_D[self._statements(forked)] != Kind.NOISE
        topics = np.unique(script.topic_D[self._statements(forked)][truly])
        later = slice((forked + 1) * script.settings.statements, (session + 1) * script.settings.statements)
        changed = script.topic_D[later][self._changes_D[later]]
        return topics[script.open_K(session)[topics] & ~np.isin(topics, changed)]
