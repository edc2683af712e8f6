"""`fairmem train`: the main job."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fairmem.config import CHECKPOINTS, RESOLVED, Recipe, differences, load_recipe, shipped_recipes
from fairmem.errors import ConfigError
from fairmem.runlog import read_metrics

_CHECKPOINTS = ("step-*", "verl/global_step_*", "trl/checkpoint-*")
"""How the engines name theirs."""


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train a model to keep memory, from a recipe",
        description="Train a model to keep memory as a recipe says, and report what it learned.",
        epilog="Example: fairmem train recipes/memory_r2_small.toml seed=3 --name seed3",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe file, or the name of a shipped recipe")
    parser.add_argument(
        "overrides", metavar="key=value", nargs="*", default=[], help="recipe values to change, as in learner.lr=1e-4"
    )
    parser.add_argument("--name", help="name of the run (default: the recipe's)")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument(
        "--engine", default="embedded", help="what trains: embedded (default), verl or trl (docs/guide/engines.md)"
    )
    parser.add_argument(
        "--engine-option",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a setting of the engine itself, in its own words; may be given several times",
    )
    parser.set_defaults(run=run, interrupted=interrupted)


def run(args: argparse.Namespace) -> int:
    """Load the recipe, check the run's folder, train."""
    recipe = _recipe(args)
    folder = args.out / recipe.name
    if args.resume:
        check_resumable(recipe, folder)
    elif (folder / RESOLVED).exists():
        raise ConfigError(f"{folder} already holds a run; go on with --resume, or choose another --name")

    from fairmem.train import run as train

    return train(recipe, folder, resume=args.resume, engine=args.engine, options=args.engine_option)


def interrupted(args: argparse.Namespace) -> str:
    """What a stopped run leaves behind."""
    folder = args.out / _recipe(args).name
    trained = [folder, *folder.glob("stages/*")]  # an engine with a loop of its own has a folder per stage
    steps = [row["step"] for place in trained for row in read_metrics(place / "metrics.jsonl")]
    if not steps:
        return "nothing was trained yet"
    kept = f"{folder} holds the metrics up to step {max(steps)}"
    roots = [place / CHECKPOINTS for place in trained]
    found = [(path, root) for root in roots for pattern in _CHECKPOINTS for path in root.glob(pattern)]
    if not found:
        return f"{kept}, but no checkpoint was written yet"
    newest, root = max(found, key=lambda pair: (pair[0].stat().st_mtime_ns, pair[0].name))
    shown = newest.relative_to(root if root.parent == folder else folder)
    return f"{kept} and the checkpoint {shown}; go on with --resume"


def check_resumable(recipe: Recipe, folder: Path) -> None:
    """Refuse to resume what is not there, or with a recipe other than the run was started with.

    Raises:
        ConfigError: in both cases; the second names the values that differ.
    """
    if not (folder / RESOLVED).is_file():
        raise ConfigError(f"{folder}: no run to resume there (it has no {RESOLVED}); leave out --resume to start one")
    changed = differences(load_recipe(folder / RESOLVED), recipe)
    if changed:
        raise ConfigError(
            f"{folder} was started with another recipe: {'; '.join(changed)}; to resume it, run "
            f"'fairmem train {folder / RESOLVED} --resume --out {folder.parent}'; else choose another --name"
        )


def _recipe(args: argparse.Namespace) -> Recipe:
    if not Path(args.recipe).is_file() and "=" in args.recipe:
        raise ConfigError(
            f"RECIPE comes before its overrides; shipped recipes: {', '.join(shipped_recipes()) or 'none'}"
        )
    name = [] if args.name is None else [f"name={json.dumps(args.name)}"]
    return load_recipe(args.recipe, [*args.overrides, *name])
