"""A folder that holds one saved state: whole or absent, and found out when it is damaged.

`state.pt` holds plain containers and tensors, `manifest.json` its size and SHA-256. The folder is written under
another name, flushed to disk and renamed, so a process that dies leaves the previous ones intact. Loading runs no
code from the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fairmem.errors import CheckpointError

FORMAT = "fairmem-checkpoint"
VERSION = 2

PARTIAL = ".partial-"
"""How the names of folders begin that are not finished."""
_STATE = "state.pt"
_MANIFEST = "manifest.json"


def write_state(target: Path, state: Mapping[str, Any], **about: Any) -> None:
    """Save `state` as the folder `target`, replacing an earlier one; `about` goes to the manifest.

    One process at a time may write below a parent folder: leftovers of dead ones there are removed.

    Raises:
        OSError: the folder cannot be written.
    """
    root = target.parent
    root.mkdir(parents=True, exist_ok=True)
    for leftover in root.glob(f"{PARTIAL}*"):
        shutil.rmtree(leftover)
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=root))
    torch.save(dict(state), partial / _STATE)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "bytes": (partial / _STATE).stat().st_size,
        "sha256": _sha256(partial / _STATE),
        **about,
    }
    (partial / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    publish(partial, target)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the folder `path`.

    Raises:
        CheckpointError: there is none that can be read, or it is of another version.
    """
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        version = (manifest["format"], manifest["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: no readable {_MANIFEST}; the checkpoint is incomplete ({error})") from error
    if version != (FORMAT, VERSION):
        raise CheckpointError(f"{path}: {version[0]} version {version[1]}, this build reads {FORMAT} {VERSION}")
    return manifest


def read_state(path: Path) -> dict[str, Any]:
    """The state at `path`, on the CPU, after its manifest was checked.

    Raises:
        CheckpointError: absent, damaged, or of another version.
    """
    manifest = read_manifest(path)
    size, digest = manifest.get("bytes"), manifest.get("sha256")
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


def publish(partial: Path, target: Path) -> None:
    """Flush the folder `partial` to disk and rename it to `target`, replacing an earlier one."""
    for path in (*(p for p in partial.rglob("*") if p.is_file()), partial):
        _fsync(path)
    if target.exists():
        # A folder that is not empty cannot be replaced in one step; moved aside, it is the only one lost by
        # a crash between the two renames.
        aside = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=target.parent))
        target.rename(aside / target.name)
        partial.rename(target)
        shutil.rmtree(aside)
    else:
        partial.rename(target)
    _fsync(target.parent)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
