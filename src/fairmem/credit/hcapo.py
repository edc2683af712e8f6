"""HCAPO: a step is credited by how likely the model finds it once it knows how things ended.

Source: Tan et al., Hindsight Credit Assignment for Long-Horizon LLM Agents (arXiv 2603.08754). With l[i, t] the mean
log-probability of the tokens of step t when the outcome is put before its prompt:

    p[i, t]   = exp(l[i, t] / temperature)
    rho[i, t] = clip(p[i, t] / mean_t p[i, .], low, high)
    Q[i, t]   = rho[i, t] * gamma^(T_i - t) * R[i]
    A[i, t]   = A_GRPO[i] + omega * z(Q)[i, t]                z: standardised over all steps of the group

On a success a negative second term is set to 0 (do no harm). The paper's rewards are 0 or 1; with graded ones a
success is a rollout better than the group's mean, which is the same where rewards are 0 and 1 and differ. A group
without contrast is dropped, hindsight or not. Left out: the paper's smoothing over neighbouring steps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.group import DEFAULT_FLOOR, Floats, Scale, checked_rewards, group_centred
from fairmem.credit.grpo import GrpoCredit
from fairmem.credit.returns import checked_discount
from fairmem.errors import CreditError


def hcapo(
    rewards_G: npt.ArrayLike,
    hindsight_logp_G_T: npt.ArrayLike,
    omega: float = 1.0,
    gamma: float = 0.95,
    clip: tuple[float, float] = (0.8, 1.2),
    temperature: float = 5.0,
    scale: Scale = "std",
    floor: float = DEFAULT_FLOOR,
) -> GrpoCredit:
    """Group advantage plus `omega` times hindsight advantage; arrays of the result have shape [G, T].

    Args:
        rewards_G: Shape [G], one reward per rollout; `nan` where it is missing.
        hindsight_logp_G_T: Shape [G, T], nats per token; `nan` where a rollout has no such step.
        omega: Weight of the hindsight term, 0 or more.
        gamma: Discount per step back from a rollout's last, 0 to 1.
        clip: (low, high) of the ratio, 0 <= low <= 1 <= high.
        temperature: Divides the log-probabilities, above 0.
        scale: Of the group advantage, see `fairmem.credit.group`.
        floor: Smallest deviation of a group that is kept.

    Raises:
        CreditError: wrong ranks or sizes, infinite entries, unknown scale, or a parameter out of range.
    """
    rewards = checked_rewards(rewards_G, "rewards_G", ndim=1)
    logp = checked_rewards(hindsight_logp_G_T, "hindsight_logp_G_T", ndim=2)
    if len(logp) != len(rewards):
        raise CreditError(f"hindsight_logp_G_T must have a row for each of {len(rewards)} rewards, found {len(logp)}")
    if not (0 <= omega < float("inf") and 0 < temperature < float("inf")):
        raise CreditError(f"omega must be 0 or more and temperature above 0; found {omega} and {temperature}")
    if not 0 <= clip[0] <= 1 <= clip[1]:
        raise CreditError(f"clip must hold 1 between its bounds, found {clip}")
    checked_discount(gamma)
    group = group_centred(rewards, scale, floor)
    present = ~np.isnan(logp)
    kept = present & group.kept[:, None]
    values = np.where(kept, _values(rewards, logp, gamma, clip, temperature), np.nan)
    hindsight = group_centred(values[kept], "std", floor)
    second = np.zeros_like(logp)
    second[kept] = hindsight.advantages
    # Better than the group's mean is a success, see the module's text.
    second = np.where((group.advantages > 0)[:, None], np.maximum(second, 0.0), second)
    advantages = np.where(kept, group.advantages[:, None] + omega * second, 0.0)
    return GrpoCredit(advantages, kept, CreditDiagnostics(global_groups=GroupCounts.of([group])))


def _values(rewards: Floats, logp: Floats, gamma: float, clip: tuple[float, float], temperature: float) -> Floats:
    """Q [G, T]; nan where there is no step."""
    values = np.full_like(logp, np.nan)
    for row, steps in enumerate(~np.isnan(logp)):
        at = np.flatnonzero(steps)
        if len(at):
            likely = np.exp(logp[row, at] / temperature)
            ratio = np.clip(likely / likely.mean(), *clip)
            values[row, at] = ratio * gamma ** (at[-1] - at) * rewards[row]
    return values
