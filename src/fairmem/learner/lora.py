"""Low-rank adapters through PEFT (extra `lora`): train a few million weights of a large model.

Source: LoRA (arXiv 2106.09685). The learner needs nothing else: a PEFT model's base without its adapters is
the KL reference, so no second copy of the model is held.
"""

from __future__ import annotations

import importlib
from typing import Any

from fairmem.errors import ConfigError, MissingExtraError


def with_lora(model: Any, rank: int, alpha: float | None = None, targets: tuple[str, ...] = ()) -> Any:
    """`model` with trainable adapters of `rank` on its linear layers, all other weights frozen.

    Args:
        model: A Hugging Face causal language model; its layers are wrapped in place.
        rank: 1 or more.
        alpha: Scale of the adapters is alpha / rank; None takes 2 * rank.
        targets: Names of the layers to adapt; empty takes all linear layers but the output layer.

    Raises:
        ConfigError: `rank` is below 1.
        MissingExtraError: `peft` is not installed.
    """
    if rank < 1:
        raise ConfigError(f"a LoRA rank is 1 or more, found {rank}")
    try:
        peft = importlib.import_module("peft")
    except ImportError as error:
        raise MissingExtraError.of("peft", "lora", "training with LoRA adapters") from error
    settings = peft.LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        lora_dropout=0.0,
        target_modules=list(targets) or "all-linear",
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(model, settings)
