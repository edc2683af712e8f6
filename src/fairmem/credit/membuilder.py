"""MemBuilder: what retrieval used most is learned from most.

Source: MemBuilder (arXiv 2601.05488), contribution-aware gradient weighting: advantages of session groups as in GRPO,
and the part of a session's output that wrote the memory retrieved most often weighs 4 in the loss, the others 1.

    A[i, s]    = (R[i, s] - mean_i R[., s]) / scale
    w[i, s, k] = weight if U[i, s, k] = max_k U[i, s, .] > 0, else 1

U[i, s, k] counts how often retrieval showed what component k of session s wrote. In the paper components are memory
types (core, episodic, semantic, procedural); here they are the chunks of a session, each one extraction and one
manager reply, because memory has one type. Components that share the maximum all have the weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmem.credit.diagnostics import CreditDiagnostics
from fairmem.credit.group import DEFAULT_FLOOR, Bools, Floats, Scale, checked_rewards
from fairmem.credit.grpo import grpo
from fairmem.errors import CreditError


@dataclass(frozen=True, slots=True)
class WeightedCredit:
    """Credit of G rollouts over S sessions, with a row weight for each of K components of a session.

    Attributes:
        advantages_G_S: 0 where not kept.
        kept_G_S: Which of them are credit.
        weights_G_S_K: Row weights, above 0.
        diagnostics: Groups formed and dropped.
    """

    advantages_G_S: Floats
    kept_G_S: Bools
    weights_G_S_K: Floats
    diagnostics: CreditDiagnostics


def membuilder(
    rewards_G_S: npt.ArrayLike,
    used_G_S_K: npt.ArrayLike,
    weight: float = 4.0,
    scale: Scale = "std",
    floor: float = DEFAULT_FLOOR,
) -> WeightedCredit:
    """GRPO per session with weights by use (equations in the module's text).

    Args:
        rewards_G_S: Shape [G, S]; `nan` where rollout i has no reward for session s.
        used_G_S_K: Shape [G, S, K], counts from 0.
        weight: Row weight of the component used most, above 0.
        scale: See `fairmem.credit.group`.
        floor: Smallest reward deviation of a group that is kept.

    Raises:
        CreditError: wrong ranks or shapes, negative or missing counts, infinite rewards, unknown scale, or a
            weight not above 0.
    """
    credit = grpo(rewards_G_S, scale, floor)
    used = checked_rewards(used_G_S_K, "used_G_S_K", ndim=3)
    if used.shape[:2] != credit.advantages_G_S.shape:
        raise CreditError(f"used_G_S_K must begin with {credit.advantages_G_S.shape}, found shape {used.shape}")
    if not (used >= 0).all():
        raise CreditError("used_G_S_K must be counts of 0 or more")
    if not 0 < weight < float("inf"):
        raise CreditError(f"weight must be above 0 and finite, found {weight}")
    most = used.max(axis=2, keepdims=True, initial=0.0)
    weights = np.where((used == most) & (most > 0), weight, 1.0)
    return WeightedCredit(credit.advantages_G_S, credit.kept_G_S, weights, credit.diagnostics)
