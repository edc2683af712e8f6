"""Checkpoints that are whole or absent, and resume bit for bit; export as a plain Hugging Face folder.

A checkpoint is a folder `step-000012` (see `state_folder`) with weights, optimizer, all random states and the
caller's counters. Beside it, `weights-000008` holds the weights of a step that a run may go back to; a checkpoint
names those it needs, and the others are removed. A damaged checkpoint is skipped, and the caller is told.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fairmem.errors import CheckpointError
from fairmem.learner.forward import causal_model
from fairmem.learner.state_folder import PARTIAL, publish, read_manifest, read_state, write_state
from fairmem.policy.model_folder import no_progress_bars

MODEL_FORMAT = "fairmem-model"


class Stateful(Protocol):
    """What a checkpoint is made of: a `Learner` or a `Team`."""

    def state_dict(self) -> dict[str, Any]:
        """Everything a bit-exact resume needs, in plain containers and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        ...


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


def save_checkpoint(
    root: Path,
    step: int,
    learner: Stateful,
    counters: Mapping[str, Any],
    keep: int = 2,
    uses: Collection[int] = (),
) -> Path:
    """Save everything a bit-exact resume needs, then delete all but the newest `keep` checkpoints.

    One process at a time may save below `root`.

    Args:
        root: Folder of the run's checkpoints; made if absent.
        step: Training step that has been finished; names the folder. An older one of that name is replaced.
        learner: Its weights, optimizer and counters are saved.
        counters: Plain numbers, strings, lists and dicts that the caller wants back.
        keep: At least 1.
        uses: Steps whose weights (`save_weights`) the run may go back to. Weights that no checkpoint which is
            kept uses are deleted.

    Raises:
        CheckpointError: `keep` is below 1, or the folder cannot be written.
    """
    if keep < 1:
        raise CheckpointError(f"keep must be 1 or more, found {keep}")
    state = {"learner": learner.state_dict(), "random": _random_state(), "counters": dict(counters)}
    target = root / f"step-{step:06d}"
    try:
        write_state(target, state, step=step, uses=sorted(uses))
        for old in _numbered(root, "step")[keep:]:
            shutil.rmtree(old)
        prune_weights(root, uses)
    except OSError as error:
        raise CheckpointError(f"{root}: the checkpoint of step {step} cannot be written: {error}") from error
    return target


def save_weights(root: Path, step: int, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Keep `weights` (name -> parameters, as `Team.weights` gives them) as those of `step`.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    try:
        write_state(
            root / f"weights-{step:06d}", {"weights": {n: dict(held) for n, held in weights.items()}}, step=step
        )
    except OSError as error:
        raise CheckpointError(f"{root}: the weights of step {step} cannot be written: {error}") from error


def load_weights(root: Path, step: int) -> dict[str, dict[str, Tensor]]:
    """The weights that were kept of `step`.

    Raises:
        CheckpointError: absent or damaged.
    """
    return read_state(root / f"weights-{step:06d}")["weights"]


def prune_weights(root: Path, uses: Collection[int]) -> None:
    """Delete kept weights of all steps but `uses` and those that a checkpoint below `root` uses."""
    needed = set(uses)
    for path in _numbered(root, "step"):
        try:
            needed.update(read_manifest(path).get("uses", ()))
        except CheckpointError:
            continue  # damaged: resuming passes it over as well
    for path in _numbered(root, "weights"):
        if int(path.name.rpartition("-")[2]) not in needed:
            shutil.rmtree(path)


def load_checkpoint(path: Path, learner: Stateful) -> dict[str, Any]:
    """Restore `learner` and all random states from the checkpoint at `path`; returns the caller's counters.

    The file is verified before anything is changed.

    Raises:
        CheckpointError: absent, damaged, of another version, or of another model or reference.
    """
    state = read_state(path)
    learner.load_state_dict(state["learner"])
    _set_random_state(state["random"])
    return state["counters"]


def load_latest(root: Path, learner: Stateful, prepare: Callable[[dict[str, Any]], None] | None = None) -> Restored:
    """Restore the newest checkpoint below `root` that is whole.

    `prepare` is called with its counters before `learner` takes over the state, to put back what is not in it (the
    KL reference).

    Raises:
        CheckpointError: there is none (every damaged one is named), or it is of another model or reference.
    """
    skipped: list[str] = []
    for path in _numbered(root, "step"):
        try:
            state = read_state(path)
        except CheckpointError as error:
            skipped.append(str(error))
            continue
        if prepare is not None:
            prepare(state["counters"])
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
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder.parent))
        partial.chmod(0o755)
        with no_progress_bars():
            _merged(model).save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        about = {"format": MODEL_FORMAT, **metadata}
        (partial / "fairmem.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        publish(partial, folder)
    except OSError as error:
        raise CheckpointError(f"{folder}: the model cannot be written: {error}") from error
    return folder


def _merged(model: Any) -> Any:
    if causal_model(model) is model:
        return model
    return copy.deepcopy(model).merge_and_unload()


def _numbered(root: Path, kind: str) -> list[Path]:
    """Folders `KIND-000012` below `root`, highest number first."""
    steps = {
        int(path.name.removeprefix(f"{kind}-")): path
        for path in root.glob(f"{kind}-*")
        if path.is_dir() and path.name.removeprefix(f"{kind}-").isdigit()
    }
    return [steps[step] for step in sorted(steps, reverse=True)]


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
