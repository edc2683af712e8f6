"""What verl's training workers run: the loss and the optimizer of the embedded learner, on verl's tensors.

verl calls the loss per micro-batch and data-parallel rank and averages gradients over ranks, so a mini-batch's
normaliser has to come with the rows: each carries its `share` of the loss (its weight, times its tokens if tokens
count alike, over the mini-batch's total). Rows that only fill up a batch have share 0.
"""

# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fairmem.config import LearnerConfig
from fairmem.learner.losses import k3_kl, policy_loss, turn_mean
from fairmem.learner.optim import rate_factor


def turn_loss(settings: LearnerConfig, model_output: Any, data: Any, dp_group: Any = None) -> tuple[Tensor, Any]:
    """(loss, metrics) of one micro-batch, for `TrainingWorker.set_loss_fn`.

    Args:
        settings: The recipe's `learner` section.
        model_output: `log_probs` and, if there is an entropy bonus, `entropy`, of prompt and reply.
        data: The micro-batch: `old_log_probs`, `advantages` and `response_mask` per reply token, `share` per row,
            `ref_log_prob` if there is a KL term, and `dp_size`.
        dp_group: Not used; the shares are those of the whole mini-batch.
    """
    from verl.utils.metric import AggregationType, Metric
    from verl.workers.utils.padding import no_padding_2_padding

    logp_UT, mask_UT = no_padding_2_padding(model_output["log_probs"], data), _padded(data["response_mask"]).bool()
    # A padding row has no reply token; it keeps its one position so that every turn has one, at share 0.
    mask_UT[:, 0] = True
    share_U = data["share"].to(logp_UT.device)
    turn_N = torch.arange(len(mask_UT), device=logp_UT.device).unsqueeze(1).expand_as(mask_UT)[mask_UT]
    logp_N, old_N = logp_UT[mask_UT], _padded(data["old_log_probs"])[mask_UT]
    advantage_UT = _padded(data["advantages"]).to(logp_UT.device)
    each_N = advantage_UT[mask_UT]
    by_token = not torch.equal(advantage_UT[:, 0][turn_N], each_N)  # else a row has its one advantage on every token
    policy = policy_loss(
        logp_N,
        old_N,
        advantage_UT[:, 0],
        turn_N,
        share_U,
        (settings.clip_low, settings.clip_high),
        settings.dual_clip,
        settings.ratio,
        "turn",  # how tokens count is in the shares
        1.0,
        each_N if by_token else None,
    )

    def over_turns(values_N: Tensor) -> Tensor:
        return (turn_mean(values_N, turn_N, len(share_U)) * share_U).sum()

    loss = policy.loss
    terms: dict[str, Tensor] = {"policy_loss": policy.loss}
    if model_output.get("entropy") is not None:
        terms["entropy"] = over_turns(no_padding_2_padding(model_output["entropy"], data)[mask_UT])
        loss = loss - settings.entropy * terms["entropy"]
    if settings.kl:
        terms["kl"] = over_turns(k3_kl(logp_N, _padded(data["ref_log_prob"])[mask_UT]))
        loss = loss + settings.kl * terms["kl"]
    difference = (logp_N - old_N).detach()
    per_turn = settings.ratio == "turn" and not by_token
    terms["ratio_mean"] = (policy.ratio * share_U).sum() if per_turn else over_turns(policy.ratio)
    clipped = policy.clipped.to(share_U.dtype)
    terms["clip_fraction"] = (clipped * share_U).sum() if per_turn else over_turns(clipped)
    terms["approx_kl"] = over_turns(difference.exp() - 1 - difference)
    ranks = data["dp_size"]  # verl averages over them
    metrics = {f"fairmem/{name}": Metric(AggregationType.SUM, value.detach() * ranks) for name, value in terms.items()}
    return loss * ranks, metrics


def _padded(values: Tensor) -> Tensor:
    return values.to_padded_tensor(0) if values.is_nested else values


class WarmAdamW(torch.optim.AdamW):
    """AdamW as `fairmem.learner.optim` runs it: matrices decay and vectors do not; a linear warmup, and a linear fall.

    verl's own warmup begins at a learning rate of 0, so that its first update does nothing. The count of updates is
    the optimizer's own state, so it is in verl's checkpoints.

    Args:
        params: Parameters, sharded or not.
        warmup_steps: Updates over which the learning rate rises to `lr`.
        decay_steps: Updates after these over which it falls to a tenth; 0 keeps it.
        options: Of `torch.optim.AdamW`.
    """

    def __init__(
        self,
        params: Any,
        *,
        warmup_steps: int = 0,
        decay_steps: int = 0,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        held = list(params)
        groups = [
            {"params": [p for p in held if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in held if p.ndim < 2], "weight_decay": 0.0},
        ]
        super().__init__([group for group in groups if group["params"]], **options)
        self._warmup, self._decay = warmup_steps, decay_steps

    def step(self, closure: Any = None) -> Any:
        """One update at the learning rate of its place in the warmup."""
        done = max((int(state["step"]) for state in self.state.values() if "step" in state), default=0)
        factor = rate_factor(done, self._warmup, self._decay)
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] = group["lr"] * factor
        try:
            return super().step(closure)
        finally:
            for group, rate in zip(self.param_groups, rates, strict=True):
                group["lr"] = rate
