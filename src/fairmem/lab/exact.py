"""Exact return, exact advantages and the exact policy gradient, by dynamic programming over the topics.

The return of an episode that ends with state x_k of topic k (r_k right of n_k entries, Q topics asked, D statements):

    J = 1/Q sum_{k asked} SHARE(x_k) f^n - cost n / D        n = sum_k n_k,  f = exp(-crowding / D)

The policy sees one topic at a time, so topics are independent given the script, and f^n is a product over them.
Three small tables per statement therefore hold everything. For topic k in state x before (or after) a statement,

    u(x) = E[SHARE(x_k) f^{n_k}]      w(x) = E[f^{n_k}]      e(x) = E[n_k]

are expectations at the end, by backward recursion over the topic's own statements (u is 0 where nothing is asked), and

    V(x_1 ... x_K) = 1/Q (prod_j w_j) (sum_i u_i / w_i) - cost/D sum_j e_j

is the value of a joint state. The advantage of a decision is the change of V that it makes. The gradient sums over
statements and states of their topic, weighted by a forward recursion of the state's probability; the other topics
enter with their expectations (policy gradient theorem, Sutton et al. 1999, equation 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairmem.lab.policy import Policy
from fairmem.lab.script import Script
from fairmem.lab.world import ENTRIES, FEATURE, FEATURES, NEXT, SHARE, STATES, Bytes, Floats, Ints, Op


@dataclass(frozen=True, slots=True)
class ExactValues:
    """Everything that can be known about a policy on a script; X is the state of a topic.

    Attributes:
        script: The conversation.
        policy: Who decides.
        before_D_3_X: Tables u, w and e of the statement's topic, before its decision.
        after_D_3_X: The same after it: `before` of the topic's next statement, or the end.
        start_K_3: u, w and e of every topic at the start of the conversation.
        reached_D_X: Probability of the topic's state before the decision.
        expected_return: J.
        gradient_F_A: dJ / d logits.
    """

    script: Script
    policy: Policy
    before_D_3_X: Floats
    after_D_3_X: Floats
    start_K_3: Floats
    reached_D_X: Floats
    expected_return: float
    gradient_F_A: Floats

    def value(self, states_K: Bytes, decision: int) -> float:
        """V of a joint state right before `decision` (D: at the end)."""
        following = following_decision(self.script, decision)
        tables_K_3 = _end_tables(self.script)[np.arange(self.script.topics), :, states_K]
        waiting = following < self.script.decisions
        tables_K_3[waiting] = self.before_D_3_X[following[waiting], :, states_K[waiting]]
        return _combine(self.script, tables_K_3)

    def advantages(self, states_K: Bytes, decision: int) -> Floats:
        """A(state, op) of each operation at `decision`, where `states_K` is the memory before it."""
        topic, kind = self.script.topic_D[decision], self.script.kind_D[decision]
        values = np.empty(len(Op))
        for op in Op:
            after = states_K.copy()
            after[topic] = NEXT[kind, states_K[topic], op]
            values[op] = self.value(after, decision + 1)
        return values - self.value(states_K, decision)


def solve(script: Script, policy: Policy) -> ExactValues:
    """Exact values of `policy` on `script`; time and memory grow with the number of statements only."""
    before, after, start_K_3 = _backward(script, policy)
    reached = _forward(script, policy)
    gradient = _gradient(script, policy, after, start_K_3, reached)
    return ExactValues(script, policy, before, after, start_K_3, reached, _combine(script, start_K_3), gradient)


def following_decision(script: Script, decision: int) -> Ints:
    """For each topic, its first statement from `decision` on; D if there is none [K]."""
    following = np.full(script.topics, script.decisions)
    # From the back, so that the first one is written last.
    rest = np.arange(decision, script.decisions)[::-1]
    following[script.topic_D[rest]] = rest
    return following


def _end_tables(script: Script) -> Floats:
    """u, w and e at the end [K, 3, X]."""
    found_X = script.settings.found**ENTRIES
    tables = np.empty((script.topics, 3, len(STATES)))
    tables[:, 0] = script.asked_K[:, None] * SHARE * found_X
    tables[:, 1] = found_X
    tables[:, 2] = ENTRIES
    return tables


def _combine(script: Script, tables_K_3: Floats) -> float:
    """V from u, w and e of every topic."""
    scores, found, entries = tables_K_3.T
    answers = found.prod() * (scores / found).sum() / script.asked_K.sum()
    return float(answers - script.settings.entry_cost * entries.sum() / script.decisions)


def _backward(script: Script, policy: Policy) -> tuple[Floats, Floats, Floats]:
    """(tables before each decision, tables after it, tables of the start)."""
    probabilities_F_A = policy.probabilities_F_A
    now_K_3_X = _end_tables(script)
    before = np.empty((script.decisions, 3, len(STATES)))
    after = np.empty_like(before)
    for decision in range(script.decisions - 1, -1, -1):
        kind, topic = script.kind_D[decision], script.topic_D[decision]
        after[decision] = now_K_3_X[topic]
        ops_X_A = probabilities_F_A[FEATURE[kind]]
        now_K_3_X[topic] = (now_K_3_X[topic][:, NEXT[kind]] * ops_X_A).sum(axis=2)
        before[decision] = now_K_3_X[topic]
    return before, after, now_K_3_X[:, :, 0].copy()


def _forward(script: Script, policy: Policy) -> Floats:
    """Probability of each state of the statement's topic, before its decision [D, X]."""
    probabilities_F_A = policy.probabilities_F_A
    now_K_X = np.zeros((script.topics, len(STATES)))
    now_K_X[:, 0] = 1.0
    reached = np.empty((script.decisions, len(STATES)))
    for decision, (kind, topic) in enumerate(zip(script.kind_D, script.topic_D, strict=True)):
        reached[decision] = now_K_X[topic]
        moved_X_A = now_K_X[topic][:, None] * probabilities_F_A[FEATURE[kind]]
        now_K_X[topic] = np.bincount(NEXT[kind].ravel(), weights=moved_X_A.ravel(), minlength=len(STATES))
    return reached


def _gradient(script: Script, policy: Policy, after: Floats, start_K_3: Floats, reached: Floats) -> Floats:
    """DJ / d logits [F, A]."""
    scores_K, found_K, _ = start_K_3.T
    topic_D = script.topic_D
    others_found_D = found_K.prod() / found_K[topic_D]
    others_score_D = (scores_K / found_K).sum() - (scores_K / found_K)[topic_D]
    features_D_X = FEATURE[script.kind_D]
    ops_D_X_A = policy.probabilities_F_A[features_D_X]
    rows = np.arange(script.decisions)[:, None, None]
    u, w, e = (after[:, part][rows, NEXT[script.kind_D]] for part in range(3))
    answers = others_found_D[:, None, None] * (u + w * others_score_D[:, None, None]) / script.asked_K.sum()
    values_D_X_A = answers - script.settings.entry_cost * e / script.decisions
    gain_D_X_A = values_D_X_A - (ops_D_X_A * values_D_X_A).sum(axis=2, keepdims=True)
    gradient = np.zeros((FEATURES, len(Op)))
    np.add.at(gradient, features_D_X, reached[:, :, None] * ops_D_X_A * gain_D_X_A)
    return gradient
