"""LoGo-GRPO and its variants: whole rollouts for global credit, rerollouts of single sessions for local credit.

How an estimate spends its budget: `share` of the sessions go to rerollouts, in groups of `group` from one memory. The
forked sessions are drawn without replacement (each once more before any is forked twice more), the memory is that
of a rollout drawn from all of them. What is left pays for whole rollouts, whose sessions are compared as in GRPO.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairmem.credit import Scale
from fairmem.errors import ConfigError
from fairmem.lab import batched, whole
from fairmem.lab.bench import Bench, Credited, Sample
from fairmem.lab.rollouts import Ending, Forks, Rerollouts, reroll
from fairmem.lab.world import Floats, Ints

AT_ONCE = Ending()
"""Memory-R2's: the quiz follows the forked session."""


@dataclass(frozen=True, slots=True)
class LocalPlan:
    """Settings of LoGo.

    Attributes:
        share: Share of the budget's sessions that are rerollouts. 1/9 is Memory-R2's: 2 S of 16 S + 2 S.
        group: R, rerollouts per fork.
        ending: How rerollouts go on and what the quiz asks.
        scale: Scale of the advantages in every group.
        trajectory: Whether every session of a whole rollout earns the final score, and not that of its questions.
        global_weight: Weight of the whole rollouts in the gradient; 0 learns from rerollouts alone.
        reuse: Whether the session as its source played it joins the group, at no cost. Only for quizzes of all
            questions right after the session, which whole rollouts are then given, too.
        shrunk: Whether the rerollouts' weight, else 1, is measured as in `fairmem.credit.shrunk_logo`.
    """

    share: float = 1 / 9
    group: int = 4
    ending: Ending = AT_ONCE
    scale: Scale = "std"
    trajectory: bool = False
    global_weight: float = 1.0
    reuse: bool = False
    shrunk: bool = False


@dataclass(frozen=True, slots=True)
class LocalSample:
    """Rerollouts of B estimates, and which of them form a group.

    Attributes:
        played: Their decisions and scores; N = B * forks * R columns.
        forks: Where each column starts.
        place_N: `(b * forks + m) * R + j` of each column.
        rollouts: G, whole rollouts per estimate beside them.
    """

    played: Rerollouts
    forks: Forks
    place_N: Ints
    rollouts: int

    def scores(self, estimates: int, group: int) -> Floats:
        """Scores [B, forks, R]."""
        ordered = np.empty_like(self.played.scores_N)
        ordered[self.place_N] = self.played.scores_N
        return ordered.reshape(estimates, -1, group)

    def own_scores(self, bench: Bench) -> Floats:
        """Scores [B, forks] of the forked sessions as their sources played them."""
        sessions_B_M, columns_B_M = self._sources(bench.estimates)
        return bench.rollouts.quizzes_S_N[sessions_B_M, columns_B_M]

    def own_credit(self, bench: Bench, credit_B_M: Floats) -> Floats:
        """That credit, at the place of the forked session of its source [B, G, S]."""
        sessions_B_M, columns_B_M = self._sources(bench.estimates)
        credit_B_G_S = np.zeros((bench.estimates, self.rollouts, bench.horizon))
        estimates_B_M = np.broadcast_to(np.arange(bench.estimates)[:, None], sessions_B_M.shape)
        np.add.at(credit_B_G_S, (estimates_B_M, columns_B_M % bench.group, sessions_B_M), credit_B_M)
        return credit_B_G_S

    def _sources(self, estimates: int) -> tuple[Ints, Ints]:
        """(forked session, column of the source) of each fork [B, forks]."""
        ordered_2_N = np.empty((2, len(self.place_N)), dtype=np.int64)
        ordered_2_N[:, self.place_N] = self.forks.session_N, self.forks.column_N
        sessions_B_M, columns_B_M = ordered_2_N.reshape(2, estimates, -1, self.forks.group)[..., 0]
        return sessions_B_M, columns_B_M


def forks_of(bench: Bench, plan: LocalPlan) -> tuple[int, int]:
    """(forks, whole rollouts) per estimate that the budget pays for.

    Raises:
        ConfigError: not even one fork and two rollouts.
    """
    lengths = np.arange(bench.horizon, 0, -1)
    horizon = plan.ending.horizon
    mean_length = float(lengths.mean() if horizon is None else np.minimum(lengths, horizon + 1).mean())
    cost = plan.group * mean_length
    # The whole rollouts come in whole numbers; what they leave goes to forks.
    rollouts = max(2, round(bench.sessions * (1 - plan.share) / bench.horizon))
    forks = int((bench.sessions - rollouts * bench.horizon) // cost)
    if forks < 1:
        rollouts = max(2, int((bench.sessions - cost) // bench.horizon))
        forks = 1
    if rollouts * bench.horizon + forks * cost > bench.sessions:
        raise ConfigError(
            f"a budget of {bench.sessions} sessions does not pay for 2 rollouts of {bench.horizon} sessions and "
            f"{plan.group} rerollouts of {mean_length:.1f}; raise --tokens"
        )
    return forks, rollouts


def rerollouts(bench: Bench, plan: LocalPlan, name: str) -> LocalSample:
    """Sample the rerollouts of all estimates."""
    forks, rollouts = forks_of(bench, plan)
    rng = bench.rng("rerollouts", name)
    forks_B_M = _draw_forks(bench.estimates, forks, bench.horizon, rng)
    sources_B_M = rng.integers(rollouts, size=forks_B_M.shape)
    columns_B_M = np.arange(bench.estimates)[:, None] * bench.group + sources_B_M
    order = np.argsort(forks_B_M, axis=None, kind="stable")
    place_N = (order[:, None] * plan.group + np.arange(plan.group)).ravel()
    sessions_N = np.repeat(forks_B_M.ravel()[order], plan.group)
    columns_N = np.repeat(columns_B_M.ravel()[order], plan.group)
    forked = Forks(sessions_N, columns_N, plan.group)
    played = reroll(bench.player, bench.rollouts.starts, forked, plan.ending, rng)
    return LocalSample(played, forked, place_N, rollouts)


def logo_sample(bench: Bench, plan: LocalPlan, name: str) -> Sample:
    """Global credit as GRPO's with the scale of `plan`, and local credit within every group of rerollouts."""
    local = rerollouts(bench, plan, name)
    scores_B_M_R = local.scores(bench.estimates, plan.group)
    rewards_B_G_S = whole.session_rewards(bench)[:, : local.rollouts]
    if plan.reuse:
        scores_B_M_R = np.concatenate([scores_B_M_R, local.own_scores(bench)[..., None]], axis=2)
    credit_B_M_R = batched.centred(scores_B_M_R, plan.scale)
    if plan.shrunk:
        credit_B_M_R *= batched.shrunk_local_weight(rewards_B_G_S, scores_B_M_R)[:, None, None]
    credit_N = credit_B_M_R[:, :, : plan.group].ravel()[local.place_N]
    credit_E_N = np.broadcast_to(credit_N, local.played.decisions.ops.shape)
    credited = [Credited(local.played.decisions, credit_E_N, local.forks.column_N // bench.group)]
    questions = local.played.questions / bench.estimates
    if plan.reuse:
        credited.append(bench.credited(local.own_credit(bench, credit_B_M_R[:, :, -1])))
        questions += local.played.questions / bench.estimates / plan.group
    if plan.global_weight:
        if plan.trajectory:
            rewards_B_G_S = whole.returns(bench)[:, : local.rollouts, None]
        credited.append(bench.credited(plan.global_weight * batched.grpo(rewards_B_G_S, plan.scale)))
        questions += local.rollouts * bench.final_questions
    sessions = local.rollouts * bench.horizon + local.played.sessions / bench.estimates
    return Sample(tuple(credited), sessions * bench.values.script.settings.statements, questions)


def _draw_forks(estimates: int, forks: int, sessions: int, rng: np.random.Generator) -> Ints:
    """Forked sessions [B, forks]: random permutations of all sessions, one after another, cut to `forks`."""
    rounds = -(-forks // sessions)
    drawn = rng.permuted(np.tile(np.arange(sessions), (estimates * rounds, 1)), axis=1)
    return drawn.reshape(estimates, rounds * sessions)[:, :forks]
