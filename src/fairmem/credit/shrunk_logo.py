"""Shrunk LoGo: local and global credit weighed by how noisy each was measured to be.

Our own. LoGo (`fairmem.credit.logo`) gives the rows of both kinds fixed weights. But in a global group the rewards of
a session differ by what all sessions did, v_G = signal + noise; in a local group by what the one session did, v_L =
signal. Two measures of the same thing are best added with the inverse of their variances; equivalently, a global
advantage is shrunk by its reliability v_L / v_G, the share of its variance that the session itself explains. Relative
to a global row of weight 1, a local row weighs

    w = local_weight * v_G / v_L        held between 1 / limit and limit

v_G and v_L are pooled within-group variances of the kept groups of one conversation, each pulled towards the other's
by `prior` degrees of freedom. Advantages are centred and not divided by a group's own deviation (scale `mean` or
`loo`): with `std` every group has variance 1 and nothing is left to weigh.

The two kinds measure the same thing only if they ask the same: local questions about the session alone
(`rollout.questions = "session"`), as the global reward of a session is. With cumulative questions a local reward
moves less for the same deed, and its low variance is overrated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fairmem.credit.group import DEFAULT_FLOOR, Floats, Scale
from fairmem.credit.logo import LocalRewards, LogoCredit, logo
from fairmem.credit.variance import PRIOR, squared_deviations
from fairmem.errors import CreditError

LIMIT = 10.0
"""Most that either kind may outweigh the other: beyond, a step would rest on one kind alone."""


def shrunk_logo(
    global_rewards_G_S: npt.ArrayLike,
    local_rewards: Sequence[LocalRewards] = (),
    local_weight: float = 1.0,
    scale: Scale = "mean",
    floor: float = DEFAULT_FLOOR,
    prior: float = PRIOR,
    limit: float = LIMIT,
) -> LogoCredit:
    """LoGo's credit with the local weight set by measured variances (equation in the module's text).

    Without a kept group of either kind nothing can be measured, and the weight is `local_weight`.

    Args:
        global_rewards_G_S: Shape [G, S]; `nan` where a session of a rollout was not scored.
        local_rewards: One (session, rewards_R) per shared memory state.
        local_weight: What multiplies the measured ratio; 0 gives `dr_grpo` or `rloo`.
        scale: `mean` or `loo`.
        floor: Smallest reward deviation of a group that is kept.
        prior: Degrees of freedom by which each variance is pulled towards the pooled one, 0 or more.
        limit: Bound of the ratio, 1 or more.

    Raises:
        CreditError: as `logo`; scale `std`; prior or limit out of range.
    """
    if scale == "std":
        raise CreditError("shrunk_logo weighs by measured variances, which scale 'std' divides away; use mean or loo")
    if not (0 <= prior < math.inf and 1 <= limit < math.inf):
        raise CreditError(f"prior must be 0 or more and limit 1 or more, both finite; found {prior} and {limit}")
    plain = logo(global_rewards_G_S, local_rewards, local_weight, scale, floor)
    across = np.where(plain.global_kept_G_S, np.asarray(global_rewards_G_S, dtype=np.float64), np.nan)
    within = [
        np.where(kept, np.asarray(rewards, dtype=np.float64), np.nan)
        for (_, rewards), kept in zip(local_rewards, plain.local_kept, strict=True)
    ]
    ratio = _variance_ratio(_pooled(across.T), _pooled(within), prior)
    return replace(plain, local_weight=local_weight * min(max(ratio, 1 / limit), limit))


def _pooled(groups: Iterable[Floats]) -> tuple[float, int]:
    """(sum of squared deviations, degrees of freedom) over all groups."""
    parts = [squared_deviations(group) for group in groups]
    return math.fsum(squares for squares, _ in parts), sum(freedom for _, freedom in parts)


def _variance_ratio(across: tuple[float, int], within: tuple[float, int], prior: float) -> float:
    """Variance of the global groups over that of the local ones; 1 where one kind has no group."""
    if not across[1] or not within[1]:
        return 1.0
    common = (across[0] + within[0]) / (across[1] + within[1])
    of_global, of_local = ((squares + prior * common) / (freedom + prior) for squares, freedom in (across, within))
    return of_global / of_local
