"""`fairmem doctor`: what is installed, what can run here, and whether a recipe could start."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="say what is installed, what can run here, and whether a recipe could start",
        description="Say what is installed, which versions do not go together, which engines can run here and why not, "
        "and what installs each extra; with a recipe, whether it could start. Ends with 1 if something is wrong.",
        epilog="Example: fairmem doctor memory_r2_qwen2.5_7b model.path=FOLDER --engine verl --reach",
    )
    parser.add_argument("recipe", metavar="RECIPE", nargs="?", help="a recipe file, or the name of a shipped recipe")
    parser.add_argument("overrides", metavar="key=value", nargs="*", default=[], help="recipe values to change")
    parser.add_argument("--engine", help="an engine that has to be able to run: embedded, verl or trl")
    parser.add_argument("--name", help="name of the run (default: the recipe's)")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    parser.add_argument("--reach", action="store_true", help="ask the recipe's endpoint for one word")
    parser.add_argument("--load", action="store_true", help="load the bundled model and let it write")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.set_defaults(run=run, interrupted=lambda args: "the doctor writes nothing")


def run(args: argparse.Namespace) -> int:
    """Check, and print what was found."""
    from fairmem.config import load_recipe
    from fairmem.doctor import as_values, check_up, page

    name = [] if args.name is None else [f"name={json.dumps(args.name)}"]
    recipe = None if args.recipe is None else load_recipe(args.recipe, [*args.overrides, *name])
    checkup = check_up(args.out, args.engine, recipe, args.reach, args.load)
    print(json.dumps(as_values(checkup), indent=2) if args.json else page(checkup), end="\n" if args.json else "")
    return 0 if checkup.healthy else 1
