"""Sampling that does not depend on the batch: one uniform number per request and step, put through the inverse CDF.

Given u in [0, 1) and probabilities p in vocabulary order, the token is the first k with p_0 + ... + p_k > u
(Devroye 1986, Non-Uniform Random Variate Generation, II.2 and III.2). u comes from a counter-based stream
that the request's seed names, so a request draws the same tokens alone or among others, up to rounding:
kernels for other batch shapes round logits differently, which moves a token only when u falls within that
rounding (about 1e-6 in fp32) of a boundary.
"""

from __future__ import annotations

import numpy as np

from fairmem.policy.torch_setup import import_torch
from fairmem.seeds import numpy_rng

import_torch()

import torch  # noqa: E402 - prepared by the line above


def uniforms(seed: int, steps: int) -> np.ndarray:
    """Numbers in [0, 1), one per step; float64 [steps]. More steps extend the same sequence."""
    return numpy_rng(seed, "sample").random(steps)


def draw(logits: torch.Tensor, u: torch.Tensor, temperature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One token per row.

    Args:
        logits: [B, V], any float type.
        u: [B] in [0, 1), float64.
        temperature: [B], at least 0; rows at 0 take the most likely token.

    Returns:
        Token ids, int64 [B], and log p of each in nats at its row's temperature (rows at 0: untempered),
        float32 [B].
    """
    if logits.ndim != 2 or u.shape != logits.shape[:1] or temperature.shape != u.shape:
        raise ValueError(
            f"shapes {tuple(logits.shape)}, {tuple(u.shape)}, {tuple(temperature.shape)} are not [B, V], [B], [B]"
        )
    greedy = temperature == 0
    scaled = logits.float() / torch.where(greedy, 1.0, temperature).float().unsqueeze(-1)
    logp = torch.log_softmax(scaled, dim=-1)
    # float32 sums over a vocabulary of 150k drift by 1e-4; float64 keeps the draw within the logits' own rounding.
    cdf = logp.double().exp().cumsum(dim=-1)
    sampled = torch.searchsorted(cdf, (u * cdf[:, -1]).unsqueeze(-1), right=True).squeeze(-1)
    tokens = torch.where(greedy, scaled.argmax(dim=-1), sampled.clamp(max=logits.shape[-1] - 1))
    return tokens, logp.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
