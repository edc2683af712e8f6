"""PPO's credit: every role turn is a step, its value comes from a learned critic, its advantage from GAE.

Source: PPO (arXiv 1707.06347) with generalized advantage estimation (1506.02438, eq. 16), as Memory-R1 (2508.19828)
trains its memory manager. The turns of a rollout in order of time are the steps of its episode; a session's reward is
earned by its last turn, and the episode ends with the last session, so the value after it is 0.

A session that no question is about earns nothing, which is 0 here and no unfairness: nothing is compared with another
rollout's sessions, and a return is a sum. A session whose score could not be had (a failed call) is nan, and so is
every advantage that would rest on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.credit.gae import gae
from fairmem.credit.group import Bools, Floats
from fairmem.errors import CreditError


@dataclass(frozen=True, slots=True)
class Track:
    """The turns of one rollout in order of time.

    Attributes:
        rewards_U: What each turn earned, shape [U]; nan where it could not be measured.
        values_U: The critic's value of the state each turn was taken in, shape [U].
    """

    rewards_U: Floats
    values_U: Floats


@dataclass(frozen=True, slots=True)
class TrackCredit:
    """Credit of the turns of one rollout, shapes [U].

    Attributes:
        advantages_U: 0 where not kept.
        returns_U: What the critic should have said: advantage before scaling, plus value.
        kept_U: Which turns have credit.
    """

    advantages_U: Floats
    returns_U: Floats
    kept_U: Bools


def ppo(
    tracks: Sequence[Track], gamma: float = 1.0, lam: float = 0.95, whiten: bool = True, floor: float = 1e-6
) -> tuple[TrackCredit, ...]:
    """Credit of every turn of every rollout of one conversation.

    Args:
        tracks: One per rollout.
        gamma: Discount per turn, 0 to 1.
        lam: GAE's lambda, 0 to 1.
        whiten: Whether advantages are centred and divided by their deviation, over all turns with credit.
        floor: Deviations not above this leave the advantages centred only.

    Raises:
        CreditError: shapes that do not fit, gamma or lambda out of range, a value that is not finite.
    """
    found: list[tuple[Floats, Floats]] = []
    for track in tracks:
        if not np.isfinite(track.values_U).all():
            raise CreditError("a value of the critic is not finite; lower learner.value_lr")
        found.append(gae(track.rewards_U, np.append(track.values_U, 0.0), gamma, lam))
    kept = [~np.isnan(advantages) for advantages, _ in found]
    every = np.concatenate([a[k] for (a, _), k in zip(found, kept, strict=True)]) if found else np.zeros(0)
    centre, scale = 0.0, 1.0
    if whiten and len(every):
        deviation = float(every.std())
        centre, scale = float(every.mean()), deviation if deviation > floor else 1.0
    return tuple(
        TrackCredit(np.where(k, (a - centre) / scale, 0.0), np.where(k, returns, 0.0), k)
        for (a, returns), k in zip(found, kept, strict=True)
    )
