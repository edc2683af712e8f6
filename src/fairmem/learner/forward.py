"""From a packed batch to the log-probability of every sampled token.

Only positions that predict a sampled token go through the output layer: with a vocabulary of 150,000 the logits of
the prompts would be most of the memory and much of the time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from fairmem.errors import ModelError
from fairmem.learner.batch import PackedBatch
from fairmem.learner.losses import entropy, token_logprobs
from fairmem.learner.value_head import ValueHead

_LOGIT_ROWS = 2048
"""Positions whose logits are held at once; more are recomputed in the backward pass (1.2 GB at 150,000 tokens)."""

_LOGIT_TRANSFORMS = ("final_logit_softcapping", "logits_scaling", "logit_scale")
"""Config fields of models that change logits after the output layer; they are run whole."""


def sampled_logprobs(
    model: Any, batch: PackedBatch, temperature: float = 1.0, entropy_grad: bool = False
) -> tuple[Tensor, Tensor]:
    """(log p of each sampled token [N], entropy of its distribution [N]), float32, in nats.

    Args:
        model: A Hugging Face causal language model, or a PEFT model around one.
        batch: On the model's device.
        temperature: The sampling temperature; logits are divided by it.
        entropy_grad: Whether the entropy is differentiable.

    Raises:
        ModelError: the model's attention implementation takes no dense mask.
    """
    logp, spread, _ = scored(model, batch, temperature, entropy_grad)
    return logp, spread


def scored(
    model: Any,
    batch: PackedBatch,
    temperature: float = 1.0,
    entropy_grad: bool = False,
    critic: ValueHead | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """As `sampled_logprobs`, and the value of the state before each turn [U] if there is a `critic`."""
    causal = causal_model(model)
    hidden = _hidden(causal, batch)
    values: Tensor | None = None
    if critic is not None:
        states = _last_states(causal, batch) if hidden is None else hidden
        values = critic(states.flatten(0, 1)[batch.predictor[_first_of_turns(batch.turn_index)]])
    logp, spread = _read(causal, batch, hidden, temperature, entropy_grad)
    return logp, spread, values


def _first_of_turns(turn_index_N: Tensor) -> Tensor:
    """Place of the first sampled token of each turn, [U]."""
    counts = torch.bincount(turn_index_N)
    return counts.cumsum(0) - counts


def _read(
    causal: Any, batch: PackedBatch, hidden: Tensor | None, temperature: float, entropy_grad: bool
) -> tuple[Tensor, Tensor]:
    head = torch.nn.Identity() if hidden is None else causal.get_output_embeddings()
    rows = _whole_logits(causal, batch) if hidden is None else hidden.flatten(0, 1)[batch.predictor]

    def score(part: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        logits = head(part).float() / temperature
        with torch.set_grad_enabled(entropy_grad and torch.is_grad_enabled()):
            spread = entropy(logits)
        return token_logprobs(logits, ids), spread

    if len(rows) <= _LOGIT_ROWS:
        return score(rows, batch.targets)
    parts: list[tuple[Tensor, Tensor]] = []
    for part, ids in zip(rows.split(_LOGIT_ROWS), batch.targets.split(_LOGIT_ROWS), strict=True):
        keep = torch.is_grad_enabled()
        parts.append(checkpoint(score, part, ids, use_reentrant=False) if keep else score(part, ids))  # type: ignore[arg-type]
    return torch.cat([logp for logp, _ in parts]), torch.cat([spread for _, spread in parts])


def causal_model(model: Any) -> Any:
    """The causal language model itself, out of a PEFT model if it is in one (adapters stay active)."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _hidden(causal: Any, batch: PackedBatch) -> Tensor | None:
    """Last hidden states [B, L, D]; None for models that transform their logits."""
    if any(getattr(causal.config, name, None) for name in _LOGIT_TRANSFORMS):
        return None
    return causal.base_model(**_inputs(causal, batch)).last_hidden_state


def _whole_logits(causal: Any, batch: PackedBatch) -> Tensor:
    return causal(**_inputs(causal, batch)).logits.flatten(0, 1)[batch.predictor]


def _last_states(causal: Any, batch: PackedBatch) -> Tensor:
    """Last hidden states [B, L, D] of a model that transforms its logits; it is run once more."""
    return causal(**_inputs(causal, batch), output_hidden_states=True).hidden_states[-1]


def _inputs(causal: Any, batch: PackedBatch) -> dict[str, Any]:
    implementation = getattr(causal.config, "_attn_implementation", "sdpa")
    if implementation == "sdpa":
        mask = batch.allowed
    elif implementation == "eager":
        # Eager attention adds its mask to the scores.
        floor = torch.finfo(causal.dtype).min
        mask = torch.zeros(batch.allowed.shape, dtype=causal.dtype, device=batch.allowed.device)
        mask = mask.masked_fill(~batch.allowed, floor)
    else:
        raise ModelError(
            f"attention implementation {implementation!r} takes no block-diagonal mask; "
            "load the model with attn_implementation='sdpa'"
        )
    return {
        "input_ids": batch.input_ids,
        "attention_mask": mask,
        "position_ids": batch.position_ids,
        "use_cache": False,
    }
