"""Group-relative credit: what one member of a comparison group earned beyond the others.

A group holds rollouts of the same thing from the same start, so the group's mean is a fair baseline
(GRPO, arXiv 2402.03300, section 4.1.1). Three scales are offered:

    std    (R - mean) / std    unbiased standard deviation, as in GRPO and Memory-R2 (2605.21768)
    mean   R - mean            no division, as in Dr. GRPO (2503.20783): noise is not blown up to unit size
    loo    R - mean of the others = G / (G - 1) (R - mean), as in RLOO (2402.14740)

A missing reward is `nan`: that member is left out, it does not count as 0. A group that cannot compare
anything (fewer than two scored members, or all rewards equal) gives no credit and says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from fairmem.errors import CreditError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Scale = Literal["std", "mean", "loo"]

DEFAULT_FLOOR = 1e-6
"""Reward units. Rewards are mean F1 scores; differences this small are rounding, not merit."""


class GroupOutcome(StrEnum):
    """What became of one comparison group."""

    KEPT = "kept"
    """Its members got credit."""
    ZERO_VARIANCE = "zero_variance"
    """Its rewards do not differ (by more than the floor)."""
    TOO_FEW_SCORED = "too_few_scored"
    """Only one member was scored, so there is nothing to compare it with."""
    UNSCORED = "unscored"
    """No member was scored, for example a session that no question is about."""


@dataclass(frozen=True, slots=True)
class GroupCredit:
    """Credit of one group.

    Attributes:
        advantages: Shape [G]; 0 where not kept.
        kept: Shape [G]; whether the member has credit to learn from (a kept advantage may still be 0).
        outcome: Why the group was kept or dropped.
    """

    advantages: Floats
    kept: Bools
    outcome: GroupOutcome


def group_centred(rewards_G: npt.ArrayLike, scale: Scale = "std", floor: float = DEFAULT_FLOOR) -> GroupCredit:
    """Credit of each member of one group relative to the group.

    Sums are exact (`math.fsum`), so the order of the members cannot change a result.

    Args:
        rewards_G: Shape [G]; `nan` marks a member whose reward is missing.
        scale: See the module's table.
        floor: Groups whose unbiased standard deviation is not above this are dropped (reward units).

    Raises:
        CreditError: not one-dimensional, an infinite reward, an unknown scale or a negative floor.
    """
    rewards = checked_rewards(rewards_G, "rewards_G", ndim=1)
    if scale not in get_args(Scale):
        raise CreditError(f"unknown scale {scale!r}; expected one of {', '.join(get_args(Scale))}")
    if not floor >= 0:
        raise CreditError(f"floor must be 0 or more, found {floor}")
    scored_G = ~np.isnan(rewards)
    outcome, mean, deviation = spread(rewards[scored_G], floor)
    advantages = np.zeros_like(rewards)
    if outcome is not GroupOutcome.KEPT:
        return GroupCredit(advantages, np.zeros_like(scored_G), outcome)
    advantages[scored_G] = rewards[scored_G] - mean
    count = int(scored_G.sum())
    if scale == "std":
        advantages /= deviation
    elif scale == "loo":
        advantages *= count / (count - 1)
    return GroupCredit(advantages, scored_G, outcome)


def spread(scored: Floats, floor: float) -> tuple[GroupOutcome, float, float]:
    """(outcome, mean, unbiased standard deviation) of the scored rewards of a group."""
    if len(scored) == 0:
        return GroupOutcome.UNSCORED, 0.0, 0.0
    if len(scored) == 1:
        return GroupOutcome.TOO_FEW_SCORED, 0.0, 0.0
    mean = math.fsum(scored) / len(scored)
    deviation = math.sqrt(math.fsum((scored - mean) ** 2) / (len(scored) - 1))
    # The range is compared as well: the mean of equal floats may be off by one rounding.
    if scored.max() == scored.min() or deviation <= floor:
        return GroupOutcome.ZERO_VARIANCE, mean, deviation
    return GroupOutcome.KEPT, mean, deviation


def checked_rewards(rewards: npt.ArrayLike, name: str, ndim: int) -> Floats:
    """`rewards` as float64 of rank `ndim`.

    Raises:
        CreditError: not numbers, another rank, or infinite values.
    """
    try:
        array = np.array(rewards, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CreditError(f"{name} must be numbers (nan for a missing reward): {error}") from error
    if array.ndim != ndim:
        raise CreditError(f"{name} must have {ndim} dimension(s), found shape {array.shape}")
    if np.isinf(array).any():
        raise CreditError(f"{name} holds an infinite reward; a missing reward is nan")
    return array
