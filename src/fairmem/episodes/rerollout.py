"""Chooses what to roll out: the global group of a conversation, and the sessions to re-roll from shared memories.

LoGo-GRPO (Memory-R2, arXiv 2605.21768): besides n whole trajectories, a share of the sessions is rolled out again
several times from the memory one of the trajectories had there, so that siblings differ in nothing but the
session itself. Rerollouts are sampled at the training temperature with their own seeds; greedy copies of
one another, as the published code makes, hold no contrast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fairmem.config import RolloutConfig
from fairmem.episodes.plans import BranchPlan
from fairmem.seeds import derive, python_rng
from fairmem.types import Conversation


@dataclass(frozen=True, slots=True)
class LocalPlan:
    """Rerollouts of `session` from the memory that global rollout `source` had at its start."""

    session: int
    source: int


def choose_local(
    sessions: int, rollouts: int, fraction: float, seed: int, all_sources: bool = False
) -> tuple[LocalPlan, ...]:
    """`round(fraction * sessions)` different sessions, each with a source rollout drawn uniformly; by session.

    With `all_sources` every rollout is the source of a group of its own in each of these sessions.

    The number is fixed (the original flips a coin per session), so that steps cost the same.
    """
    rng = python_rng(seed, "local")
    count = min(sessions, int(fraction * sessions + 0.5))
    chosen = sorted(rng.sample(range(1, sessions + 1), count))
    if all_sources:
        return tuple(LocalPlan(session, source) for session in chosen for source in range(rollouts))
    return tuple(LocalPlan(session, rng.randrange(rollouts)) for session in chosen)


def plan_branches(conversation: Conversation, rollout: RolloutConfig, seed: int) -> list[BranchPlan]:
    """The global branches `g0`... of `conversation` and their local rerollouts `gI/sT/rJ`.

    All seeds differ, so siblings differ wherever the policy is not certain. With `local_reuse` every local group
    has one member more, `gI/sT/own`: session T as rollout I played it, which is as good a sample from the shared
    memory as the rerollouts are.
    """
    numbers = [session.index for session in conversation.sessions]
    alone = rollout.unit == "demonstration"  # compared with nothing
    plans = [
        BranchPlan(f"g{i}", conversation, numbers[0], numbers[-1], i, derive(seed, "global", i), rollout.temperature)
        for i in range(1 if alone else rollout.global_group)
    ]
    all_sources = rollout.local_sources == "all"
    for local in choose_local(len(numbers), rollout.global_group, rollout.local_fraction, seed, all_sources):
        first = numbers[local.session - 1]
        further = len(numbers) if rollout.local_horizon == "end" else rollout.local_horizon
        last = numbers[min(len(numbers), local.session + further) - 1]
        siblings = [
            BranchPlan(
                id=f"g{local.source}/s{first}/r{j}",
                conversation=conversation,
                first=first,
                last=last,
                member=j,
                seed=derive(seed, "local", local.source, first, j),
                temperature=rollout.temperature,
                parent=f"g{local.source}",
            )
            for j in range(rollout.local_group)
        ]
        plans += siblings
        if rollout.local_reuse:
            plans.append(
                replace(
                    siblings[0],
                    id=f"g{local.source}/s{first}/own",
                    member=rollout.local_group,
                    seed=derive(seed, "local", local.source, first, "own"),
                    reused=True,
                )
            )
    return plans


def identical_siblings(groups: list[list[tuple[tuple[int, ...], ...]]]) -> int:
    """How many groups have only members that sampled the very same tokens (no contrast to learn from)."""
    return sum(len(members) > 1 and all(member == members[0] for member in members[1:]) for members in groups)
