"""What an estimator is given and what it gives back: a budget of sampled tokens in, credited decisions out.

A bench holds one replication: one conversation, its exact values, and B independent estimates made side by side. Every
rule gets the same number of sampled tokens per estimate. Rules that need whole rollouts take the first so many of the
same ones, so differences between rules are not differences of luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fairmem.errors import ConfigError
from fairmem.lab.exact import ExactValues
from fairmem.lab.play import Decisions, Player
from fairmem.lab.policy import Policy
from fairmem.lab.rollouts import Rollouts, roll_out
from fairmem.lab.world import FEATURES, Floats, Ints, Op
from fairmem.seeds import numpy_rng

DECISION_TOKENS = 20
"""Tokens that a decision is taken to cost: about an operation of a small manager. It scales all counts alike."""


class Credited(NamedTuple):
    """Decisions to learn from, and the credit of each.

    Attributes:
        decisions: Arrays [D or E, N].
        credit: Advantage times weight; of that shape. 0 is no credit.
        estimate_N: Which of the B estimates a column belongs to.
    """

    decisions: Decisions
    credit: Floats
    estimate_N: Ints


@dataclass(frozen=True, slots=True)
class Sample:
    """What a rule made of its budget, for B estimates.

    Attributes:
        credited: Its gradient estimate is the sum of credit * d log pi over all of these.
        decisions: Sampled decisions per estimate (a mean if estimates differ), those not learned from included.
        questions: Questions answered by the frozen answerer per estimate: free, and counted apart.
    """

    credited: tuple[Credited, ...]
    decisions: float
    questions: float

    @property
    def tokens(self) -> float:
        """Sampled tokens per estimate."""
        return self.decisions * DECISION_TOKENS


class Bench:
    """One replication. Random streams are named, so a rule's result does not depend on which others are run.

    Attributes:
        values: Exact values, with the script and the policy.
        player: Plays the policy.
        estimates: B.
        sessions: Sessions that an estimate may sample, whole rollouts and rerollouts together.
    """

    def __init__(self, values: ExactValues, estimates: int, tokens: int, seed: int, path: Sequence[str | int]) -> None:
        """A bench of `estimates` estimates with `tokens` sampled tokens each; `path` names the replication."""
        self.values = values
        self.player = Player(values)
        self.estimates = estimates
        self.sessions = tokens // (DECISION_TOKENS * values.script.settings.statements)
        self._seed, self._path = seed, tuple(path)
        self._rollouts: Rollouts | None = None
        if self.sessions < 2 * self.horizon:
            raise ConfigError(
                f"a budget of {tokens} tokens pays for {self.sessions / self.horizon:.2f} rollouts of {self.horizon} "
                "sessions, and no rule can compare fewer than 2; raise --tokens"
            )

    @property
    def horizon(self) -> int:
        """S."""
        return self.values.script.settings.sessions

    @property
    def policy(self) -> Policy:
        """The policy whose gradient is estimated."""
        return self.values.policy

    @property
    def decisions(self) -> int:
        """D."""
        return self.values.script.decisions

    @property
    def final_questions(self) -> int:
        """Questions at the end."""
        return int(self.values.script.asked_K.sum())

    @property
    def group(self) -> int:
        """Whole rollouts that the budget pays for."""
        return self.sessions // self.horizon

    def rng(self, *name: str | int) -> np.random.Generator:
        """The random stream of this name."""
        return numpy_rng(self._seed, "lab", *self._path, *name)

    @property
    def rollouts(self) -> Rollouts:
        """`group` rollouts for each estimate; column `b * group + i` is rollout i of estimate b."""
        if self._rollouts is None:
            self._rollouts = roll_out(self.player, self.estimates * self.group, self.rng("rollouts"))
        return self._rollouts

    @property
    def estimate_N(self) -> Ints:
        """The estimate of each column of `rollouts`."""
        return np.arange(self.estimates * self.group) // self.group

    def columns(self, group: int) -> Ints:
        """Columns of the first `group` rollouts of every estimate [B, group]."""
        return np.arange(self.estimates)[:, None] * self.group + np.arange(group)

    def credited(self, credit_B_G_S: Floats) -> Credited:
        """Credit of every session of the first G rollouts, for all decisions of the session."""
        estimates, group, sessions = credit_B_G_S.shape
        columns_N = self.columns(group).ravel()
        estimate_N = columns_N // self.group
        credit_S_N = credit_B_G_S.reshape(estimates * group, sessions).T
        if sessions == 1:
            credit_S_N = np.broadcast_to(credit_S_N, (self.horizon, estimates * group))
        credit_D_N = np.repeat(credit_S_N, self.values.script.settings.statements, axis=0)
        decisions = self.rollouts.decisions.take(columns_N)
        return Credited(decisions, credit_D_N, estimate_N)

    def whole_rollouts(self, credit_B_G_S: Floats, questions: float) -> Sample:
        """A sample of whole rollouts alone: credit of each session (or one for all: S = 1), questions per rollout."""
        group = credit_B_G_S.shape[1]
        return Sample((self.credited(credit_B_G_S),), group * self.decisions, group * questions)

    def gradients(self, sample: Sample) -> Floats:
        """The B gradient estimates [B, F, A]."""
        total = np.zeros((self.estimates, FEATURES, len(Op)))
        for decisions, credit, estimate_N in sample.credited:
            total += self.policy.gradients(decisions.features, decisions.ops, credit, estimate_N, self.estimates)
        return total
