"""What the KL term compares with: a frozen model, and how to tell that it is the same one again."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import torch


def frozen_reference(model: Any, reference: Any | None) -> Any | None:
    """The given reference, or a copy of `model`; None for a PEFT model, whose base is its own reference."""
    if reference is None and hasattr(model, "disable_adapter"):
        return None
    frozen = copy.deepcopy(model) if reference is None else reference
    return frozen.requires_grad_(False).eval()


def fingerprint(model: Any | None) -> str:
    """Hash of the first elements of every parameter, bit for bit: cheap, and any training changes it."""
    if model is None:
        return ""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        digest.update(f"{name}{tuple(parameter.shape)}{parameter.dtype}".encode())
        digest.update(parameter.detach().flatten()[:64].cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
