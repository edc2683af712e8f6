"""Checkpoints that are whole or absent, and resume bit for bit; export as a plain Hugging Face folder.

A checkpoint is a folder `step-000012` with `state.pt` (weights, optimizer, all random states, the
caller's counters) and `manifest.json` (sizes and SHA-256). It is written under another name, flushed to
disk and renamed, so a process that dies leaves the previous ones intact. A damaged folder is found by its
manifest and skipped, and the caller is told.

Only plain containers and tensors are stored, so loading runs no code from the file.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import random
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fairmem.errors import CheckpointError
from fairmem.learner.forward import causal_model
from fairmem.learner.learner import Learner
from fairmem.policy.model_folder import no_progress_bars

CHECKPOINT_FORMAT = "fairmem-checkpoint"
CHECKPOINT_VERSION = 1
MODEL_FORMAT = "fairmem-model"

_PARTIAL = ".partial-"
_STATE = "state.pt"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Restored:
    """What `load_latest` restored.

    Attributes:
        path: The checkpoint that was loaded.
        counters: The caller's counters as they were saved.
        skipped: One line per newer checkpoint that is damaged and was passed over.
    """

    path: Path
    counters: dict[str, Any]
    skipped: tuple[str, ...]


def save_checkpoint(root: Path, step: int, learner: Learner, counters: Mapping[str, Any], keep: int = 2) -> Path:
    """Save everything a bit-exact resume needs, then delete all but the newest `keep` checkpoints.

    One process at a time may save below `root`.

    Args:
        root: Folder of the run's checkpoints; made if absent.
        step: Training step that has been finished; names the folder. An older one of that name is replaced.
        learner: Its weights, optimizer and counters are saved.
        counters: Plain numbers, strings, lists and dicts that the caller wants back.
        keep: At least 1.

    Raises:
        CheckpointError: `keep` is below 1, or the folder cannot be written.
    """
    if keep < 1:
        raise CheckpointError(f"keep must be 1 or more, found {keep}")
    state = {"learner": learner.state_dict(), "random": _random_state(), "counters": dict(counters)}
    try:
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover)
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=root))
        torch.save(state, partial / _STATE)
        manifest = {
            "format": CHECKPOINT_FORMAT,
            "version": CHECKPOINT_VERSION,
            "step": step,
            "bytes": (partial / _STATE).stat().st_size,
            "sha256": _sha256(partial / _STATE),
        }
        (partial / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        target = root / f"step-{step:06d}"
        _publish(partial, target)
        for old in _checkpoints(root)[keep:]:
            shutil.rmtree(old)
    except OSError as error:
        raise CheckpointError(f"{root}: the checkpoint of step {step} cannot be written: {error}") from error
    return target


def load_checkpoint(path: Path, learner: Learner) -> dict[str, Any]:
    """Restore `learner` and all random states from the checkpoint at `path`; returns the caller's counters.

    The file is verified before anything is changed.

    Raises:
        CheckpointError: absent, damaged, of another version, or of another model or reference.
    """
    state = _verified(path)
    learner.load_state_dict(state["learner"])
    _set_random_state(state["random"])
    return state["counters"]


def load_latest(root: Path, learner: Learner) -> Restored:
    """Restore the newest checkpoint below `root` that is whole.

    Raises:
        CheckpointError: there is none (every damaged one is named), or it is of another model or reference.
    """
    skipped: list[str] = []
    for path in _checkpoints(root):
        try:
            state = _verified(path)
        except CheckpointError as error:
            skipped.append(str(error))
            continue
        learner.load_state_dict(state["learner"])
        _set_random_state(state["random"])
        return Restored(path, state["counters"], tuple(skipped))
    found = "; ".join(skipped) if skipped else "no checkpoint there"
    raise CheckpointError(f"{root}: nothing to resume from: {found}")


def export(model: Any, tokenizer: Any, folder: Path, metadata: Mapping[str, Any]) -> Path:
    """Write `model` and `tokenizer` as a Hugging Face folder with `fairmem.json` beside them.

    Adapters are merged into the weights, so that any tool loads the folder. It appears whole or not at all;
    an earlier export at `folder` is replaced, anything else there is left alone.

    Args:
        model: A Hugging Face model, or a PEFT model around one.
        tokenizer: Its tokenizer.
        folder: Where to.
        metadata: Written to `fairmem.json`, for example {"prompts": "compact"} and the run it came from.

    Raises:
        CheckpointError: `folder` holds something that is not an export, or cannot be written.
    """
    if folder.exists() and not (folder / "fairmem.json").is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f"{folder} exists and is no exported model; choose another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder.parent))
        partial.chmod(0o755)
        with no_progress_bars():
            _merged(model).save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        about = {"format": MODEL_FORMAT, **metadata}
        (partial / "fairmem.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        _publish(partial, folder)
    except OSError as error:
        raise CheckpointError(f"{folder}: the model cannot be written: {error}") from error
    return folder


def _merged(model: Any) -> Any:
    if causal_model(model) is model:
        return model
    return copy.deepcopy(model).merge_and_unload()


def _checkpoints(root: Path) -> list[Path]:
    """Checkpoint folders below `root`, newest step first."""
    steps = {
        int(path.name.removeprefix("step-")): path
        for path in root.glob("step-*")
        if path.is_dir() and path.name.removeprefix("step-").isdigit()
    }
    return [steps[step] for step in sorted(steps, reverse=True)]


def _verified(path: Path) -> dict[str, Any]:
    """The state at `path`, on the CPU, after its manifest was checked."""
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        size, digest, version = manifest["bytes"], manifest["sha256"], (manifest["format"], manifest["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: no readable {_MANIFEST}; the checkpoint is incomplete ({error})") from error
    if version != (CHECKPOINT_FORMAT, CHECKPOINT_VERSION):
        raise CheckpointError(
            f"{path}: {version[0]} version {version[1]}, this build reads {CHECKPOINT_FORMAT} {CHECKPOINT_VERSION}"
        )
    state = path / _STATE
    if not state.is_file():
        raise CheckpointError(f"{path}: {_STATE} is missing; the checkpoint is incomplete")
    if state.stat().st_size != size:
        raise CheckpointError(f"{path}: {_STATE} has {state.stat().st_size} bytes, expected {size}; it was cut")
    if _sha256(state) != digest:
        raise CheckpointError(f"{path}: {_STATE} does not match its checksum; it is damaged")
    try:
        return torch.load(state, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(f"{path}: {_STATE} cannot be read: {error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _publish(partial: Path, target: Path) -> None:
    """Flush the folder `partial` to disk and rename it to `target`, replacing an earlier one."""
    for path in (*(p for p in partial.rglob("*") if p.is_file()), partial):
        _fsync(path)
    if target.exists():
        # A folder that is not empty cannot be replaced in one step; moved aside, it is the only one lost by
        # a crash between the two renames.
        aside = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target.parent))
        target.rename(aside / target.name)
        partial.rename(target)
        shutil.rmtree(aside)
    else:
        partial.rename(target)
    _fsync(target.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _random_state() -> dict[str, Any]:
    """States of the global generators of Python, numpy and torch, as plain containers and tensors."""
    name, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [name, [int(key) for key in keys], position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
