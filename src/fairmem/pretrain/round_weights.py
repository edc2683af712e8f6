"""A model's folder with its weights rounded to bfloat16: half the size, for the models that ship in `assets`.

`assets/extractor` was made by the first two of these commands, `assets/planted` by the others:

    fairmem train memory_r2_small
    python -m fairmem.pretrain.round_weights runs/memory_r2_small/model src/fairmem/assets/extractor

    fairmem drift plant --out runs/planted
    python -m fairmem.pretrain.round_weights runs/planted/model src/fairmem/assets/planted
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from fairmem.errors import CheckpointError

WEIGHTS = "model.safetensors"


def round_weights(source: Path, target: Path) -> None:
    """Copy the model folder `source` to the new folder `target`, its weights rounded to bfloat16.

    Raises:
        CheckpointError: `source` holds no weights in one file, or `target` exists.
    """
    import torch
    from safetensors.torch import load_file, save_file

    if not (source / WEIGHTS).is_file():
        raise CheckpointError(f"{source}: no {WEIGHTS} in it; expected the folder of a model, as runs/NAME/model")
    if target.exists():
        raise CheckpointError(f"{target} exists; give a new folder")
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(WEIGHTS))
    rounded = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(source / WEIGHTS).items()}
    save_file(rounded, target / WEIGHTS, metadata={"format": "pt"})


def main() -> None:
    """Round the model of the first folder into the second."""
    parser = argparse.ArgumentParser(description="Copy a model folder with its weights rounded to bfloat16.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    args = parser.parse_args()
    round_weights(args.source, args.target)


if __name__ == "__main__":
    main()
