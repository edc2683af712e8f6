"""The critic of PPO: a linear head on the backbone that says what a state will earn.

A state is a prompt, read at its last token: what the model knows before it samples the first token of its reply. The
head starts at 0, so before any update every value is 0 and an advantage is a return. It is part of the learner, its
optimizer and its checkpoints, and not of the exported model, which generates without it.

Sources: the clipped value loss is that of the PPO implementations (openai/baselines; arXiv 2005.12729, section 3);
explained variance is 1 - Var(return - value) / Var(return), 1 for a perfect critic and 0 for a constant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class ValueHead(nn.Module):
    """Hidden states [U, D] to values [U], in float32. With `detached` the loss trains this head alone."""

    def __init__(self, width: int, detached: bool = False) -> None:
        super().__init__()
        self.out = nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.detached = detached

    def forward(self, states_U_D: Tensor) -> Tensor:
        """The values, [U]."""
        states = states_U_D.detach() if self.detached else states_U_D
        return self.out(states.float()).squeeze(-1)


def value_loss(values_U: Tensor, old_U: Tensor, targets_U: Tensor, clip: float) -> Tensor:
    """Clipped squared error of each turn, [U].

        v_clip = v_old + clip(v - v_old, -c, c);   L = max((v - G)^2, (v_clip - G)^2) / 2

    Args:
        values_U: Values now.
        old_U: Values before the update.
        targets_U: Returns G.
        clip: c, in reward units; 0 turns it off.
    """
    plain = (values_U - targets_U) ** 2
    if not clip:
        return plain / 2
    bounded = (old_U + (values_U - old_U).clamp(-clip, clip) - targets_U) ** 2
    return torch.maximum(plain, bounded) / 2


def explained_variance(values: Sequence[float], targets: Sequence[float]) -> float | None:
    """1 - Var(G - v) / Var(G); None where the returns do not vary."""
    returns = np.asarray(targets, dtype=np.float64)
    variance = float(returns.var()) if len(returns) else 0.0
    if variance <= 1e-12:
        return None
    return 1.0 - float((returns - np.asarray(values, dtype=np.float64)).var()) / variance
