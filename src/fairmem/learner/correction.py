"""Importance weights for tokens whose sampler is not quite the policy that learns.

A server samples with other kernels and number formats than the learner computes with, and its weights may be some
updates old. So the sampled tokens are of a distribution q, while the update takes them for the learner's own p at the
start of the step: off-policy without saying so. The remedy is to weight each token's term of the loss by p / q, held
in bounds; the PPO ratio itself is then taken to the learner's own log-probabilities at the start of the step.

With rho = p / q = exp(log p_old - log q), per token, or per role turn as the product over its tokens:

    truncate   w = min(rho, high)                       TIS (Yao et al. 2025, "Your efficient RL framework secretly
                                                        brings you off-policy RL training"; Ionides 2008)
    mask       w = rho if low <= rho <= high else 0     IcePop (Ling team 2025, arXiv 2510.18855)

Truncation bounds the variance and keeps every token; masking drops those on which the two disagree most, and they
still count in the loss's denominator. Weights carry no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Mode = Literal["truncate", "mask"]
Level = Literal["token", "sequence"]

_LOG_MAX = 20.0
"""nats; log-ratios are cut here, so that a token one side finds absurd gives a large number and no infinity."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Weights of the tokens of a batch.

    Attributes:
        weight: [N], at least 0.
        ratio: rho before it was bounded; [N], or [U] at sequence level.
        cut: Where the bound acted; same shape.
        divergence: k3 estimate of KL(sampler || learner) in nats, from the sampler's own tokens, [N].
    """

    weight: Tensor
    ratio: Tensor
    cut: Tensor
    divergence: Tensor


@torch.no_grad()
def correct(
    learner_logp: Tensor,
    sampler_logp: Tensor,
    turn_index: Tensor,
    turns: int,
    mode: Mode,
    level: Level,
    low: float,
    high: float,
) -> Correction:
    """The weights of sampled tokens.

    Args:
        learner_logp: log p of the tokens under the learner at the start of the step, [N].
        sampler_logp: The same as the sampler recorded it, at the same temperature, [N].
        turn_index: Turn of each token, [N].
        turns: Number of turns.
        mode: `truncate` or `mask`.
        level: One weight per token, or one per turn from the product of its tokens' ratios.
        low: Smallest ratio that `mask` keeps.
        high: Largest ratio that `mask` keeps, and where `truncate` cuts.
    """
    difference = (learner_logp - sampler_logp).clamp(-_LOG_MAX, _LOG_MAX)
    # d = log p - log q over tokens drawn from q: E[exp(d) - 1 - d] = KL(q || p), and no term is below 0.
    divergence = difference.exp() - 1 - difference
    log_ratio = difference
    if level == "sequence":
        log_ratio = difference.new_zeros(turns).index_add(0, turn_index, difference).clamp(-_LOG_MAX, _LOG_MAX)
    ratio = log_ratio.exp()
    if mode == "truncate":
        weight, cut = ratio.clamp(max=high), ratio > high
    else:
        cut = (ratio < low) | (ratio > high)
        weight = ratio.masked_fill(cut, 0.0)
    return Correction(weight if level == "token" else weight[turn_index], ratio, cut, divergence)
