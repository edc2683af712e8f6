"""Directions on disk, for the defence that takes them out of the residual stream.

One `.npz` per bias (no pickles), with these arrays:

- `format` "fairmem-drift-direction", `version` 1, `bias`, `model_hash` (strings and an integer as 0-d arrays);
- `layer`: the decoder block, from 0, whose output the direction was read from;
- `vector`: float32 [width], of norm 1, pointing towards the bias;
- `neutral`: float, the mean of <h, vector> at the read point with neutral memory. Ablation sets h to
  h - (<h, vector> - neutral) vector;
- `scale`: float, how far the explicit order moves <h, vector>: one unit of a dose.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmem.errors import DataError, ModelError
from fairmem.replace import replacing

DIRECTION_FORMAT = "fairmem-drift-direction"
DIRECTION_VERSION = 1

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class SavedDirection:
    """See the module; `vector_W` has the width of the residual stream."""

    bias: str
    layer: int
    vector_W: np.ndarray
    neutral: float
    scale: float
    model_hash: str


def save_direction(path: Path, direction: SavedDirection) -> None:
    """Write `direction`; an existing file is replaced as a whole."""
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            format=np.array(DIRECTION_FORMAT),
            version=np.array(DIRECTION_VERSION),
            bias=np.array(direction.bias),
            layer=np.array(direction.layer),
            vector=np.asarray(direction.vector_W, dtype=np.float32),
            neutral=np.array(direction.neutral),
            scale=np.array(direction.scale),
            model_hash=np.array(direction.model_hash),
        )


def load_direction(path: Path) -> SavedDirection:
    """Read a direction.

    Raises:
        DataError: not a file of this format, or its vector is not a finite one of norm 1.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            fields = {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as a direction (.npz): {error}") from error
    named = str(fields.get("format", "")), str(fields.get("version", ""))
    if named != (DIRECTION_FORMAT, str(DIRECTION_VERSION)):
        raise DataError(
            f"{path}: found format {named[0]!r} {named[1]}, expected {DIRECTION_FORMAT} {DIRECTION_VERSION}"
        )
    missing = {"bias", "layer", "vector", "neutral", "scale", "model_hash"} - set(fields)
    if missing:
        raise DataError(f"{path}: lacks {', '.join(sorted(missing))}; write it anew with fairmem drift probe")
    vector = fields["vector"]
    if vector.ndim != 1 or not np.isfinite(vector).all() or abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
        raise DataError(f"{path}: its vector is not a finite one of norm 1")
    return SavedDirection(
        str(fields["bias"]),
        int(fields["layer"]),
        vector.astype(np.float32),
        float(fields["neutral"]),
        float(fields["scale"]),
        str(fields["model_hash"]),
    )


def model_hash(folder: Path) -> str:
    """SHA-256 of what tells models apart: config.json, and name, size, first and last MiB of each file of weights.

    Reading all of a large model would take minutes; two trainings of one model differ in these parts as well.

    Raises:
        ModelError: `folder` has no config.json.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json in it; expected the folder of a model")
    found = hashlib.sha256((folder / "config.json").read_bytes())
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]):
        size = file.stat().st_size
        found.update(f"{file.name}:{size}:".encode())
        with file.open("rb") as content:
            found.update(content.read(_BLOCK))
            content.seek(max(0, size - _BLOCK))
            found.update(content.read(_BLOCK))
    return found.hexdigest()
