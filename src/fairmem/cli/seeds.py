"""`fairmem seeds`: one recipe over several seeds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "seeds",
        help="train a recipe with several seeds and tabulate the improvement",
        description="Train a recipe once per seed and tabulate what each learned, with intervals over seeds.",
        epilog="Example: fairmem seeds memory_r2_small --seeds 0,1,2,3,4 --jobs 2.",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe file, or the name of a shipped recipe")
    parser.add_argument("overrides", metavar="key=value", nargs="*", default=[], help="recipe values to change")
    parser.add_argument("--seeds", metavar="N,N", default="0,1,2,3,4", help="the seeds (default: 0,1,2,3,4)")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    parser.set_defaults(run=run, interrupted=lambda args: f"finished seeds are in {args.out}; repeat the command")


def run(args: argparse.Namespace) -> int:
    """Run the study and print its table."""
    try:
        seeds = [int(part) for part in args.seeds.split(",")]
    except ValueError as error:
        raise ConfigError(f"--seeds is '{args.seeds}', expected integers, as in 0,1,2,3,4") from error

    from fairmem.study import run_seeds, seeds_table

    study = run_seeds(
        args.recipe, args.overrides, seeds, args.out, args.jobs, lambda text: print(text, file=sys.stderr)
    )
    print(seeds_table(study))
    return 0
