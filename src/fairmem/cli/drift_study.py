"""`fairmem drift study`: planted model, defences and trained policy over seeds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError


def register(actions: Any) -> None:
    """Add the action to `actions`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "study",
        help="planted model, defences and trained policy over seeds, in one table",
        description="For each seed: plant a model, audit it in all arms, put it behind defences, train it not to "
        "drift, audit it again. A study that was stopped goes on with the same command.",
        epilog="Example: fairmem drift study --seeds 0,1,2,3,4 --out runs/drift_study",
    )
    parser.add_argument("overrides", metavar="key=value", nargs="*", default=[], help="values of the recipe to change")
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="folder of the study")
    parser.add_argument("--seeds", metavar="N,N", default="0,1,2,3,4", help="the seeds (default: 0,1,2,3,4)")
    parser.add_argument(
        "--recipe", metavar="RECIPE", default="drift_aware_small", help="of the training (default: drift_aware_small)"
    )
    parser.add_argument("--alpha", metavar="P", type=float, default=0.5, help="of the plant (default: 0.5)")
    parser.add_argument("--plant-steps", metavar="N", type=int, help="optimizer steps of the plant")
    parser.add_argument("--defenses", metavar="NAME,NAME", help="defences, or none (default: all that can)")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="seeds at a time (default: 1)")
    parser.add_argument("--results", metavar="FOLDER", type=Path, help="also write drift_small.json and .md there")
    parser.set_defaults(run=run, interrupted=lambda args: f"{args.out} keeps what is done; repeat the command")


def run(args: argparse.Namespace) -> int:
    """Run the study and print its page."""
    try:
        seeds = tuple(int(part) for part in args.seeds.split(","))
    except ValueError as error:
        raise ConfigError(f"--seeds is '{args.seeds}', expected integers, as in 0,1,2,3,4") from error

    from fairmem.drift.small import Plant
    from fairmem.planted import StudySettings, page, run_study
    from fairmem.planted.study import save_study
    from fairmem.pretrain.plant import PlantSettings

    planting = PlantSettings(plant=Plant(args.alpha))
    if args.plant_steps is not None:
        planting = planting.with_steps(args.plant_steps)
    settings = StudySettings(seeds, args.recipe, tuple(args.overrides), planting)
    if args.defenses is not None:
        names = () if args.defenses == "none" else tuple(args.defenses.split(","))
        settings = StudySettings(seeds, args.recipe, tuple(args.overrides), planting, names)
    study = run_study(settings, args.out, lambda line: print(line, file=sys.stderr), args.jobs)
    if args.results is not None:
        save_study(study, args.results / "drift_small.json")
    print(page(study), end="")
    return 0
