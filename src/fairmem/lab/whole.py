"""Rules that learn from whole rollouts: what each reads off them, in the words of `fairmem.credit`.

Where a rule needs what only a language model has, the closest thing that the lab has stands in: the value head of PPO
is a linear function of what such a head could see, and the second look of HCAPO is the exact posterior of an
operation, given how the question about its topic was answered.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fairmem.credit import Scale
from fairmem.lab import batched
from fairmem.lab.bench import Bench, Credited, Sample
from fairmem.lab.script import Script
from fairmem.lab.world import ENTRIES, FEATURE, NEXT, SHARE, Bools, Floats, Ints, Op

Maker = Callable[[Bench], Sample]


def oracle(bench: Bench) -> Sample:
    """The exact advantage of every decision."""
    decisions = bench.rollouts.decisions
    return Sample((Credited(decisions, decisions.advantages, bench.estimate_N),), bench.group * bench.decisions, 0.0)


def sessions(scale: Scale) -> Maker:
    """GRPO, Dr. GRPO, RLOO: a session is credited with the final score of the questions about it."""
    return lambda bench: _final(bench, batched.grpo(session_rewards(bench), scale))


def broadcast(scale: Scale) -> Maker:
    """Every session is credited with the final score."""
    return lambda bench: _final(bench, batched.centred(returns(bench), scale)[:, :, None])


def per_turn(bench: Bench) -> Sample:
    """Rewards of the session and of those after it."""
    return _final(bench, batched.grpo(batched.discounted_returns(session_rewards(bench), 1.0), "std"))


def gigpo(bench: Bench) -> Sample:
    """Anchors are the memories themselves."""
    names_K = bench.rng("anchors").integers(2**62, size=bench.values.script.topics)
    # A random linear form in wrapping integers: equal states have equal names, others by a chance of about 2^-60.
    anchors_S_N: Ints = np.array([names_K @ memories.states_K_N for memories in bench.rollouts.starts[:-1]])
    anchors_B_G_S = np.moveaxis(anchors_S_N[:, bench.columns(bench.group)], 0, -1)
    return _final(bench, batched.gigpo(session_rewards(bench), anchors_B_G_S, "std"))


def vine(bench: Bench) -> Sample:
    """Values are quizzes with the questions of the end."""
    return _quizzed(bench, np.diff(_state_values(bench), axis=2))


def counterfactual_op(bench: Bench) -> Sample:
    """Each decision is credited with its own change of the score, which takes a quiz after every operation."""
    decisions = bench.rollouts.decisions
    credit_D_B_G = batched.centred(decisions.changes[:, bench.columns(bench.group)], "std")
    credit_D_N = credit_D_B_G.reshape(bench.decisions, -1)
    questions = float(bench.group * bench.decisions * bench.final_questions)
    return Sample((Credited(decisions, credit_D_N, bench.estimate_N),), bench.group * bench.decisions, questions)


def counterfactual(scale: Scale) -> Maker:
    """Values as in `vine`."""
    return lambda bench: _quizzed(bench, batched.counterfactual(_state_values(bench), scale))


def shrunk_counterfactual(bench: Bench) -> Sample:
    """Values as in `vine`."""
    return _quizzed(bench, batched.shrunk_counterfactual(_state_values(bench), "mean"))


def ppo(bench: Bench) -> Sample:
    """GAE of a critic that was fitted to the rollouts of another estimate, as to those of the step before."""
    rollouts, script = bench.rollouts, bench.values.script
    passed_S = np.arange(bench.horizon) / bench.horizon
    size_S_N = np.array([memories.size_N for memories in rollouts.starts[:-1]]) / script.decisions
    known_S_N = np.array([memories.open_N for memories in rollouts.starts[:-1]]) / bench.final_questions
    passed_S_N = np.broadcast_to(passed_S[:, None], size_S_N.shape)
    seen_S_N_F = np.stack([np.ones_like(size_S_N), passed_S_N, passed_S_N**2, size_S_N, known_S_N], axis=2)
    seen_B_G_S_F = np.moveaxis(seen_S_N_F[:, bench.columns(bench.group)], 0, 2)
    returns_B_G = returns(bench)
    squares_B_F_F = np.einsum("bgsf,bgsh->bfh", seen_B_G_S_F, seen_B_G_S_F)
    products_B_F = np.einsum("bgsf,bg->bf", seen_B_G_S_F, returns_B_G)
    # A little ridge: with few sessions the features are nearly dependent.
    weights_B_F = np.linalg.solve(squares_B_F_F + 1e-3 * np.eye(5), products_B_F[..., None])[..., 0]
    values_B_G_S = np.einsum("bgsf,bf->bgs", seen_B_G_S_F, np.roll(weights_B_F, 1, axis=0))
    values_B_G_S1 = np.concatenate([values_B_G_S, np.zeros_like(values_B_G_S[:, :, :1])], axis=2)
    return _final(bench, batched.gae(returns_B_G, values_B_G_S1))


def membuilder(bench: Bench) -> Sample:
    """A component is one statement; it is used if it was the last to write what the question is answered from."""
    credit_B_G_S = batched.grpo(session_rewards(bench), "std")
    used_D_N = _used(bench)
    width = bench.values.script.settings.statements
    used_S_K_N = used_D_N.reshape(bench.horizon, width, -1)
    weights_B_G_S_K = batched.membuilder_weights(
        np.moveaxis(used_S_K_N[..., bench.columns(bench.group)], (2, 3), (0, 1))
    )
    credit_B_G_D = (credit_B_G_S[..., None] * weights_B_G_S_K).reshape(*credit_B_G_S.shape[:2], -1)
    credit_D_N = credit_B_G_D.reshape(-1, bench.decisions).T
    credited = Credited(bench.rollouts.decisions, credit_D_N, bench.estimate_N)
    return Sample((credited,), bench.group * bench.decisions, bench.group * bench.final_questions)


def hcapo(bench: Bench) -> Sample:
    """A step is a session; its log-probability is the mean over its decisions of the exact hindsight posterior."""
    logp_D_N = np.log(hindsight_probabilities(bench))
    logp_S_N = logp_D_N.reshape(bench.horizon, -1, logp_D_N.shape[1]).mean(axis=1)
    return _final(bench, batched.hcapo(returns(bench), _by_rollout(bench, logp_S_N), "std"))


def session_rewards(bench: Bench) -> Floats:
    """Final score attributed to sessions [B, G, S]."""
    return _by_rollout(bench, bench.rollouts.session_rewards_S_N)


def returns(bench: Bench) -> Floats:
    """Final scores [B, G]."""
    return bench.rollouts.returns_N[bench.columns(bench.group)]


def hindsight_probabilities(bench: Bench) -> Floats:
    """pi(op | state, score of the topic's final question) of every decision taken [D, N].

    Without a question it is pi(op | state). By Bayes' rule from P(score | state after), which a backward recursion over
    the topic's statements gives.
    """
    script, policy_F_A = bench.values.script, bench.policy.probabilities_F_A
    decisions, ends_K_N = bench.rollouts.decisions, bench.rollouts.starts[-1].states_K_N
    scores = np.unique(SHARE)
    outcome_X = np.searchsorted(scores, SHARE)
    now_K_X_O = np.tile(np.eye(len(scores))[outcome_X], (script.topics, 1, 1))
    found = np.empty(decisions.ops.shape)
    for decision in range(script.decisions - 1, -1, -1):
        kind, topic = script.kind_D[decision], script.topic_D[decision]
        prior_X_A = policy_F_A[FEATURE[kind]]
        joint_X_A_O = prior_X_A[..., None] * now_K_X_O[topic][NEXT[kind]]
        before_X_O = joint_X_A_O.sum(axis=1)
        states_N, ops_N = decisions.states[decision], decisions.ops[decision]
        if script.asked_K[topic]:
            outcomes_N = outcome_X[ends_K_N[topic]]
            found[decision] = joint_X_A_O[states_N, ops_N, outcomes_N] / before_X_O[states_N, outcomes_N]
        else:
            found[decision] = prior_X_A[states_N, ops_N]
        now_K_X_O[topic] = before_X_O
    return found


def _used(bench: Bench) -> Ints:
    """1 for the decisions that were the last to write about a topic that is asked about and has entries [D, N]."""
    script: Script = bench.values.script
    decisions = bench.rollouts.decisions
    open_K_N = (ENTRIES[bench.rollouts.starts[-1].states_K_N] > 0) & script.asked_K[:, None]
    used = np.zeros(decisions.ops.shape, dtype=np.int64)
    for decision in range(script.decisions - 1, -1, -1):
        kind, topic = script.kind_D[decision], script.topic_D[decision]
        last_N = open_K_N[topic] & _WRITES[kind, decisions.states[decision], decisions.ops[decision]]
        used[decision] = last_N
        open_K_N[topic] &= ~last_N
    return used


def _writes() -> Bools:
    """Whether an operation writes, by kind, state and operation: refused ones do not."""
    writes = np.zeros(NEXT.shape, dtype=np.bool_)
    writes[:, :, Op.ADD] = ENTRIES < 2
    writes[:, :, Op.UPDATE] = ENTRIES > 0
    return writes


_WRITES = _writes()


def _state_values(bench: Bench) -> Floats:
    """Score of the memory before each session and at the end, on the questions of the end [B, G, S + 1]."""
    return _by_rollout(bench, bench.rollouts.hindsight_S1_N)


def _by_rollout(bench: Bench, array_S_N: Floats) -> Floats:
    """[S, N] -> [B, G, S]."""
    return np.moveaxis(array_S_N[:, bench.columns(bench.group)], 0, -1)


def _final(bench: Bench, credit_B_G_S: Floats) -> Sample:
    """A sample whose rollouts are quizzed at the end."""
    return bench.whole_rollouts(credit_B_G_S, bench.final_questions)


def _quizzed(bench: Bench, credit_B_G_S: Floats) -> Sample:
    """A sample whose rollouts are quizzed with the questions of the end after every session."""
    return bench.whole_rollouts(credit_B_G_S, bench.horizon * bench.final_questions)
