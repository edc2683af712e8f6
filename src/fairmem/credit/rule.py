"""What a credit rule is to the trainer: a function, what it needs, and where it comes from.

A rule takes a `RuleInput` and the recipe's `credit` section and returns a `LogoCredit`. What a rule needs beyond the
rewards it declares; `fairmem.credit.assign` fills in those fields and no others, and `fairmem.credit.check_rule`
refuses a recipe that cannot give them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fairmem.config import CreditConfig
from fairmem.credit.group import Floats
from fairmem.credit.logo import LocalRewards, LogoCredit
from fairmem.credit.ppo import Track


class Need(StrEnum):
    """Something a rule needs that not every recipe gives."""

    SESSION_REWARDS = "session_rewards"
    """A reward of its own for every session."""
    FORKS = "forks"
    """Local groups: rerollouts of a session from one shared memory."""
    ANCHORS = "anchors"
    """Names of the states before each session, equal for equal states."""
    STATE_VALUES = "state_values"
    """A quiz of every memory a rollout had, not only of its last."""
    CONTINUATIONS = "continuations"
    """Rerollouts to the end from every memory of every rollout."""
    TREE = "tree"
    """Rerollouts that go on to the end and are asked what whole rollouts are asked, so that all leaves compare."""
    CRITIC = "critic"
    """A value head that is trained beside the policy."""
    HINDSIGHT_LOGPROB = "hindsight_logprob"
    """A second log-probability of what was sampled, given the outcome."""
    DEMONSTRATIONS = "demonstrations"
    """Rollouts in which a teacher decides."""
    OP_VALUES = "op_values"
    """What a memory would be worth without each of its operations, and which tokens wrote them."""
    PROVENANCE = "provenance"
    """Which turn wrote the entries that the answerer was shown."""


@dataclass(frozen=True, slots=True)
class Forest:
    """The tree that rollouts and rerollouts form; nodes and leaves as in `fairmem.credit.tree`.

    Attributes:
        parents_N: Parent of every node.
        rewards_leaves: Reward of every leaf, by increasing node number.
        global_G_S: Node of every rollout and session.
        local: Node of each rerollout and session from the forked one on, one array [R, H] per local group.
    """

    parents_N: npt.NDArray[np.int64]
    rewards_leaves: Floats
    global_G_S: npt.NDArray[np.int64]
    local: tuple[npt.NDArray[np.int64], ...]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What rollouts made of each dialogue turn: the operations that give it as their source, taken together.

    Attributes:
        keys_D: (session, chunk, dialogue turn) of each decision; the turn is "" for operations that name none.
        gains_G_D: Summed gains of those operations, 0 where a rollout had none; nan where one could not be measured.
        answers: Weight that the answer part has in them.
    """

    keys_D: tuple[tuple[int, int, str], ...]
    gains_G_D: Floats
    answers: float = 1.0


@dataclass(frozen=True, slots=True)
class RuleInput:
    """What a rule sees of one conversation: arrays, no trace.

    Attributes:
        rewards_G_S: Reward of every rollout and session, nan where missing; one column with scope `trajectory`.
        local: One (forked session, rewards [R]) per local group.
        trajectory_G: One reward per rollout, over all sessions.
        anchors_G_S: Hash of the memory before each session (need `anchors`).
        values_G_S1: Value of the memory before each session and after the last (`state_values`, `continuations`).
        used_G_S_K: How often the answerer was shown what a chunk wrote (`provenance`).
        hindsight_G_S: Mean log-probability per token of a session's turns, given the outcome (`hindsight_logprob`).
        forest: Rollouts and rerollouts as one tree (`tree`).
        tracks_G: The turns of every rollout, with the critic's values (`critic`).
        decisions: What the operations about each dialogue turn were worth (`op_values`).
    """

    rewards_G_S: Floats
    local: Sequence[LocalRewards] = ()
    trajectory_G: Floats | None = None
    anchors_G_S: npt.NDArray[np.str_] | None = None
    values_G_S1: Floats | None = None
    used_G_S_K: Floats | None = None
    hindsight_G_S: Floats | None = None
    forest: Forest | None = None
    tracks_G: tuple[Track, ...] | None = None
    decisions: Decisions | None = None


CreditRule = Callable[[RuleInput, CreditConfig], LogoCredit]
"""(what is known, settings) -> credit of the global rollouts [G, S] and of each local group."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of `CREDIT_RULES`.

    Attributes:
        apply: The rule.
        needs: What it uses beyond rewards.
        source: Where it comes from.
        summary: What it does, in one line.
    """

    apply: CreditRule
    needs: frozenset[Need] = field(default_factory=frozenset[Need])
    source: str = ""
    summary: str = ""
