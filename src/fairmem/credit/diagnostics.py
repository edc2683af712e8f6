"""Counts that tell whether a step's credit rests on anything: groups compared, groups dropped and why, sizes.

They add up over trees (`+`), so one step's line in the log covers all its conversations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from fairmem.credit.group import GroupCredit, GroupOutcome


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """What became of the comparison groups of one kind.

    Attributes:
        formed: Groups with at least one scored member.
        zero_variance: Of these, dropped because all rewards are equal (within the floor).
        too_few_scored: Of these, dropped because only one member was scored.
        unscored: Groups without any scored member, not part of `formed` (sessions no question is about).
        members: Members with credit, over the kept groups.
        advantage_sum: Sum of |advantage| over these members.
    """

    formed: int = 0
    zero_variance: int = 0
    too_few_scored: int = 0
    unscored: int = 0
    members: int = 0
    advantage_sum: float = 0.0

    @classmethod
    def of(cls, groups: Iterable[GroupCredit]) -> GroupCounts:
        """Counts over `groups`."""
        total = cls()
        for group in groups:
            total += cls(
                formed=int(group.outcome is not GroupOutcome.UNSCORED),
                zero_variance=int(group.outcome is GroupOutcome.ZERO_VARIANCE),
                too_few_scored=int(group.outcome is GroupOutcome.TOO_FEW_SCORED),
                unscored=int(group.outcome is GroupOutcome.UNSCORED),
                members=int(group.kept.sum()),
                advantage_sum=float(np.abs(group.advantages).sum()),
            )
        return total

    @property
    def kept(self) -> int:
        """Groups that gave credit."""
        return self.formed - self.zero_variance - self.too_few_scored

    @property
    def mean_abs_advantage(self) -> float | None:
        """Mean |advantage| of the members with credit; None if there are none."""
        return self.advantage_sum / self.members if self.members else None

    def __add__(self, other: GroupCounts) -> GroupCounts:
        return GroupCounts(
            self.formed + other.formed,
            self.zero_variance + other.zero_variance,
            self.too_few_scored + other.too_few_scored,
            self.unscored + other.unscored,
            self.members + other.members,
            self.advantage_sum + other.advantage_sum,
        )


@dataclass(frozen=True, slots=True)
class CreditDiagnostics:
    """Counts of the global groups (one per session) and of the local ones (one per shared memory state)."""

    global_groups: GroupCounts = field(default_factory=GroupCounts)
    local_groups: GroupCounts = field(default_factory=GroupCounts)
    failed_branches: int = 0
    """Branches left out because a model call on them failed."""

    def __add__(self, other: CreditDiagnostics) -> CreditDiagnostics:
        return CreditDiagnostics(
            self.global_groups + other.global_groups,
            self.local_groups + other.local_groups,
            self.failed_branches + other.failed_branches,
        )

    def as_metrics(self) -> dict[str, float]:
        """Flat names for a log line, `global_formed`, `local_zero_variance` ...; no mean where nothing was kept."""
        metrics: dict[str, float] = {"failed_branches": self.failed_branches}
        for kind, counts in (("global", self.global_groups), ("local", self.local_groups)):
            metrics[f"{kind}_formed"] = counts.formed
            metrics[f"{kind}_kept"] = counts.kept
            metrics[f"{kind}_zero_variance"] = counts.zero_variance
            metrics[f"{kind}_too_few_scored"] = counts.too_few_scored
            metrics[f"{kind}_unscored"] = counts.unscored
            if counts.mean_abs_advantage is not None:
                metrics[f"{kind}_mean_abs_advantage"] = counts.mean_abs_advantage
        return metrics
