"""Muon with the orthogonalization in float32 where a device does not multiply bfloat16 natively.

torch.optim.Muon always iterates in bfloat16. Processors without such products emulate them, and the update of a small
model then takes longer than its forward and backward pass together (docs/log.md has the figures).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

import torch

from fairmem.policy.torch_setup import multiplies_bfloat16

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_EPS = 1e-7


class Muon(torch.optim.Muon):
    """torch.optim.Muon (Jordan et al. 2024) with `match_rms_adamw` step sizes, whose state it shares; see the module.

    Matrices of one shape are orthogonalized together.
    """

    def __init__(self, params: Any, lr: float, weight_decay: float) -> None:
        """`params` are matrices; the momentum is 0.95, in Nesterov's form."""
        super().__init__(params, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every matrix that has a gradient; returns what `closure` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for shape, parameters in alike.items():
                moved = orthogonalized(torch.stack([self._momentum(p, group["momentum"]) for p in parameters]))
                # The step of an AdamW update of equal root mean square (Liu et al. 2025, equation 4).
                rate = group["lr"] * 0.2 * max(shape) ** 0.5
                for parameter, update in zip(parameters, moved, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-rate)
        return loss

    def _momentum(self, parameter: torch.Tensor, momentum: float) -> torch.Tensor:
        """What `parameter` is to move along, before it is orthogonalized."""
        grad = cast(torch.Tensor, parameter.grad)
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(grad)
        held: torch.Tensor = state["momentum_buffer"]
        held.lerp_(grad, 1 - momentum)
        return grad.lerp(held, momentum)


def orthogonalized(matrices: torch.Tensor) -> torch.Tensor:
    """Every matrix of `[n, rows, columns]` with its singular values brought near 1, by five Newton-Schulz steps.

    In bfloat16 where the device has such products, else in float32; the result is float32.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    found = matrices.mT if tall else matrices
    found = found.bfloat16() if multiplies_bfloat16(matrices.device.type) else found.float()
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=_EPS)
    for _ in range(_ITERATIONS):
        gram = found @ found.mT
        gram = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        found = torch.baddbmm(found, gram, found, beta=a)
    return (found.mT if tall else found).float()
