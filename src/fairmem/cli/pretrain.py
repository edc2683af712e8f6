"""`fairmem pretrain`: make the small base model that ships with fairmem."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "pretrain",
        help="make the small base model from scratch",
        description="Train tokenizer and small base model from scratch on generated text, by imitation.",
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--steps", metavar="N", type=int, help="optimizer steps (default: those of the shipped model)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--compile", action="store_true", help="use torch.compile (faster; needs a C++ compiler)")
    parser.add_argument("--seed", type=int, default=0, help="seed of data and weights (default: 0)")
    parser.set_defaults(run=run, interrupted=lambda args: f"{args.out} holds the last checkpoint, if one was reached")


def run(args: argparse.Namespace) -> int:
    """Pretrain."""
    from fairmem.pretrain import run as pretrain

    return pretrain(out=args.out, steps=args.steps, device=args.device, seed=args.seed, compiled=args.compile)
