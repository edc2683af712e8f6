"""AdamW with linear warmup, gradient clipping, and float32 masters for weights kept in a shorter format.

A learning rate of 2e-6 changes a bfloat16 weight by less than its rounding, so without masters nothing
would be learned, silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fairmem.config import LearnerConfig
from fairmem.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Update:
    """One optimizer step: the gradient norm before clipping, and whether it was finite and hence applied."""

    grad_norm: float
    applied: bool


def rate_factor(done: int, warmup_steps: int, decay_steps: int) -> float:
    """Share of the peak learning rate for the update after `done` others: rises linearly, then falls to a tenth.

    The last update of the warm-up has the peak rate; without decay steps it stays.
    """
    if done < warmup_steps:
        return (done + 1) / warmup_steps
    return 1 - 0.9 * min(1.0, (done - warmup_steps) / decay_steps) if decay_steps else 1.0


class Optimizer:
    """AdamW over the trainable parameters of `model` and, at a learning rate of its own, of `critic`.

    Matrices decay, vectors (norms, biases) do not. `steps` counts applied updates and drives the warmup:
    update k (from 0) uses lr * min(1, (k + 1) / warmup_steps), and with n decay steps, k' = k - warmup_steps >= 0 of
    them done, lr * (1 - 0.9 min(1, k' / n)).

    Raises:
        ConfigError: the model has nothing to train, or float16 weights (their gradients underflow).
    """

    def __init__(self, model: nn.Module, config: LearnerConfig, critic: nn.Module | None = None) -> None:
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        if not self._parameters:
            raise ConfigError("the model has no trainable parameters")
        if any(p.dtype == torch.float16 for p in self._parameters):
            raise ConfigError("float16 weights cannot be trained (gradients underflow); use bfloat16 or float32")
        # A float32 parameter is its own master.
        self._masters = [
            p if p.dtype == torch.float32 else nn.Parameter(p.detach().float().clone()) for p in self._parameters
        ]
        groups = [
            {"params": [m for m in self._masters if m.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [m for m in self._masters if m.ndim < 2], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        self._rates = [1.0] * len(groups)
        self._critic = [] if critic is None else list(critic.parameters())
        if self._critic:
            groups.append({"params": self._critic, "weight_decay": 0.0})
            self._rates.append(config.value_lr / config.lr)
        self._adamw = torch.optim.AdamW(groups, lr=config.lr, betas=config.betas)
        self._config = config
        self.steps = 0

    @property
    def lr(self) -> float:
        """Learning rate of the next update."""
        return self._config.lr * rate_factor(self.steps, self._config.warmup_steps, self._config.decay_steps)

    def step(self) -> Update:
        """Apply the accumulated gradients and clear them. Gradients that are not finite are cleared only."""
        for parameter, master in zip(self._parameters, self._masters, strict=True):
            if master is not parameter and parameter.grad is not None:
                master.grad = parameter.grad.float()
                parameter.grad = None
        limit = self._config.grad_clip or float("inf")
        norm = float(nn.utils.clip_grad_norm_(self._masters, limit))
        # Clipped apart: the critic's error must not shrink the policy's step.
        error = float(nn.utils.clip_grad_norm_(self._critic, limit)) if self._critic else 0.0
        applied = bool(torch.isfinite(torch.tensor(norm + error)))
        if applied:
            for group, rate in zip(self._adamw.param_groups, self._rates, strict=True):
                group["lr"] = self.lr * rate
            self._adamw.step()
            self.steps += 1
            self._copy_masters()
        self._adamw.zero_grad(set_to_none=True)
        return Update(norm, applied)

    def state_dict(self) -> dict[str, Any]:
        """Moments, masters and counter."""
        masters = [
            None if master is parameter else master.detach()
            for parameter, master in zip(self._parameters, self._masters, strict=True)
        ]
        return {"adamw": self._adamw.state_dict(), "masters": masters, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; the model's own weights are loaded apart."""
        self._adamw.load_state_dict(state["adamw"])
        with torch.no_grad():
            for master, saved in zip(self._masters, state["masters"], strict=True):
                if saved is not None:
                    master.copy_(saved)
        self.steps = int(state["steps"])

    @torch.no_grad()
    def _copy_masters(self) -> None:
        for parameter, master in zip(self._parameters, self._masters, strict=True):
            if master is not parameter:
                parameter.copy_(master)
