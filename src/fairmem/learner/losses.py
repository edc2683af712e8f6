"""The loss, as pure functions on flat tensors: clipped policy gradient, KL to a reference, entropy.

Shape legend: `N` sampled tokens of all turns, flat; `U` role turns; `turn_index_N` says which turn a token
belongs to. Everything is in nats. Sums are divided by a denominator that may be given, so that a
mini-batch split into micro-batches adds up to the same loss.

Sources: PPO clip (arXiv 1707.06347, eq. 7); dual clip (1912.09729, eq. 5); asymmetric clip (DAPO,
2503.14476, eq. 10); turn-level ratio as in Memory-R2 (2605.21768), which is GSPO's sequence ratio (2507.18071, eq. 7)
per role turn, and with advantages per token that of its section 4.3; k3 estimator (http://joschu.net/blog/kl-approx.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Ratio = Literal["token", "turn"]
Aggregation = Literal["token", "turn"]

TURN_LOG_RATIO_MAX = 3.0
"""Turn ratios are cut at e^3 = 20 (Memory-R2), token ratios likewise: beyond, only the dual clip acts."""
KL_MAX = 10.0
"""Per-token k3 estimates are cut here (Memory-R2); one token the reference finds absurd must not rule a step."""


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    """The policy term of a batch.

    Attributes:
        loss: Scalar, differentiable.
        ratio: Importance ratios, detached; shape [N] or [U] ([N] with advantages per token).
        clipped: Whether a clip decided that term (so it has no gradient); same shape.
    """

    loss: Tensor
    ratio: Tensor
    clipped: Tensor


def turn_mean(values_N: Tensor, turn_index_N: Tensor, turns: int) -> Tensor:
    """Mean of the token values of each turn, shape [U]. Every turn must have a token."""
    sums = values_N.new_zeros(turns).index_add(0, turn_index_N, values_N)
    return sums / torch.bincount(turn_index_N, minlength=turns)


def denominator(turn_index_N: Tensor, weights_U: Tensor, aggregation: Aggregation) -> Tensor:
    """What `aggregate` divides by: total weight of the turns, or of the tokens."""
    if aggregation == "turn":
        return weights_U.sum()
    return (weights_U * torch.bincount(turn_index_N, minlength=len(weights_U))).sum()


def aggregate(
    values_U: Tensor,
    turn_index_N: Tensor,
    weights_U: Tensor,
    aggregation: Aggregation = "turn",
    total: Tensor | float | None = None,
) -> Tensor:
    """Weighted mean of per-turn values, each turn counting once (`turn`) or once per token (`token`).

    Args:
        values_U: One value per turn (for token quantities, their mean over the turn).
        turn_index_N: Turn of each token.
        weights_U: Row weights.
        aggregation: `turn` or `token`.
        total: Denominator; None takes this batch's own (`denominator`).
    """
    share_U = weights_U
    if aggregation == "token":
        share_U = weights_U * torch.bincount(turn_index_N, minlength=len(weights_U))
    return (values_U * share_U).sum() / (share_U.sum() if total is None else total)


def policy_loss(
    logp: Tensor,
    old_logp: Tensor,
    advantage: Tensor,
    turn_index: Tensor,
    weights: Tensor,
    clip: tuple[float, float] = (0.2, 0.2),
    dual_clip: float = 3.0,
    ratio: Ratio = "turn",
    aggregation: Aggregation = "turn",
    total: Tensor | float | None = None,
    token_advantage: Tensor | None = None,
    correction: Tensor | None = None,
) -> PolicyLoss:
    """Clipped policy-gradient loss.

    With r = exp(log p - log p_old), per token or from the mean log-ratio of a turn (cut at 3):

        L = max(-r A, -clip(r, 1 - low, 1 + high) A),   and for A < 0:   L = min(L, -dual_clip A)

    With advantages per token the ratio of a turn is that of each of its tokens, r_n = sg(r) p_n / sg(p_n): the value is
    the turn's ratio, and the gradient reaches each token by its own advantage. For equal advantages that is the turn's
    gradient, but that a ratio that was cut has one.

    Args:
        logp: log p of the sampled tokens now, [N].
        old_logp: The same at sampling, [N].
        advantage: [U].
        turn_index: Turn of each token, [N], values 0 to U - 1, every turn present.
        weights: Row weights, [U].
        clip: (low, high).
        dual_clip: Bound for negative advantages, above 1; 0 turns it off.
        ratio: `token` or `turn`.
        aggregation: Mean over turns or over tokens, see `aggregate`.
        total: Denominator of the whole mini-batch; None takes this batch's own.
        token_advantage: [N], in place of `advantage`.
        correction: Weight of each token's term, [N], for tokens of a sampler that is not quite the learner
            (`fairmem.learner.correction`).

    With either of the last two a turn's ratio stands at each of its tokens with the token's own gradient (GSPO-token,
    2507.18071, section 4.3); with equal advantages and weights of 1 that is the same loss and gradient.
    """
    turns = len(advantage)
    log_ratio = logp - old_logp
    by_turn = ratio == "turn" and token_advantage is None and correction is None
    if ratio == "turn":
        log_ratio = turn_mean(log_ratio, turn_index, turns)
    r = log_ratio.clamp(max=TURN_LOG_RATIO_MAX).exp()
    if ratio == "turn" and not by_turn:
        r = r.detach()[turn_index] * (logp - logp.detach()).exp()
    credit = token_advantage if token_advantage is not None else advantage if by_turn else advantage[turn_index]
    plain = -r * credit
    bounded = -r.clamp(1 - clip[0], 1 + clip[1]) * credit
    value = torch.maximum(plain, bounded)
    clipped = bounded > plain
    if dual_clip:
        ceiling = -dual_clip * credit
        beyond = (credit < 0) & (value > ceiling)
        value = torch.where(beyond, ceiling, value)
        clipped = clipped | beyond
    if correction is not None:
        value = value * correction
    per_turn = value if by_turn else turn_mean(value, turn_index, turns)
    return PolicyLoss(aggregate(per_turn, turn_index, weights, aggregation, total), r.detach(), clipped)


def imitation_loss(
    logp: Tensor,
    advantage: Tensor,
    turn_index: Tensor,
    weights: Tensor,
    aggregation: Aggregation = "turn",
    total: Tensor | float | None = None,
) -> Tensor:
    """Cross-entropy of demonstrated tokens, -A mean_t log p, in nats per token; arguments as of `policy_loss`."""
    return aggregate(-turn_mean(logp, turn_index, len(advantage)) * advantage, turn_index, weights, aggregation, total)


def k3_kl(logp: Tensor, reference_logp: Tensor) -> Tensor:
    """Per-token estimate of KL(policy || reference): exp(d) - d - 1 with d = reference - policy; 0 to 10, [N]."""
    difference = (reference_logp - logp).clamp(-KL_MAX, KL_MAX)
    return (difference.exp() - difference - 1).clamp(max=KL_MAX)


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the next-token distribution, shape of `logits` without its last dimension."""
    logp = logits.log_softmax(-1)
    return -(logp.exp() * logp).sum(-1)


def token_logprobs(logits: Tensor, ids: Tensor) -> Tensor:
    """Log p of `ids` [N] under `logits` [N, V]."""
    return logits.gather(-1, ids.unsqueeze(-1)).squeeze(-1) - logits.logsumexp(-1)
