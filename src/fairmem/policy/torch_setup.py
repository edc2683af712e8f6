"""The one place that prepares the process for torch, so that it is prepared the same way whoever imports it first."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from fairmem.errors import MissingExtraError


def import_torch() -> ModuleType:
    """Import torch with settings that must be in place before its first import; returns the module.

    Raises:
        MissingExtraError: torch or transformers is not installed.
    """
    # OpenMP workers that spin while they wait starve each other on a busy machine: the same job took
    # 39.4 s spinning and 5.3 s passive on 2 cores at load 7; on a quiet machine it makes no difference.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise MissingExtraError.of(package, "train", "running a model in this process")
    return import_module("torch")


def release_memory() -> None:
    """Give back the GPU memory of models that are gone: torch would keep it, and the next one is in another process."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def multiplies_bfloat16(device: str) -> bool:
    """Whether a device of this type (`cpu`, `cuda`) multiplies bfloat16 natively; others emulate it, slowly."""
    return device == "cuda" or bool(import_torch().ops.mkldnn._is_mkldnn_bf16_supported())
