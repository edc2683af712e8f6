"""`fairmem drift plant` and `world`: a small model with a known bias, and scenarios that it can read."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError


def register(actions: Any) -> None:
    """Add the actions to those of `fairmem drift`."""
    plant: argparse.ArgumentParser = actions.add_parser(
        "plant",
        help="make a small tool-using model with a planted bias",
        description="Teach the bundled model to call tools, and to be moved by private memories with a known "
        "probability. A run that was stopped goes on with the same command.",
        epilog="Example: fairmem drift plant --alpha 0.5 --out runs/planted",
    )
    plant.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="folder of model and scenarios")
    plant.add_argument(
        "--alpha", metavar="P", type=float, default=0.5, help="most that memories do, a probability (default: 0.5)"
    )
    plant.add_argument(
        "--ordered", metavar="P", type=float, default=0.9, help="what an explicit order does (default: 0.9)"
    )
    plant.add_argument("--model", metavar="FOLDER", default="bundled", help="compact model to teach (default: bundled)")
    plant.add_argument("--seed", type=int, default=0, help="of what is imitated (default: 0)")
    plant.add_argument("--steps", metavar="N", type=int, help="optimizer steps (default: those of the study)")
    plant.set_defaults(run=_plant, interrupted=lambda args: f"{args.out} keeps the last checkpoint; repeat the command")

    world: argparse.ArgumentParser = actions.add_parser(
        "world",
        help="write scenarios that the planted model can read",
        description="Write the small world: scenarios of five biases and seven domains in the words of the village.",
        epilog="Example: fairmem drift world small.jsonl --split train --seed 3",
    )
    world.add_argument("out", metavar="FILE", type=Path, help="file of scenarios, JSON lines")
    world.add_argument("--seed", type=int, default=0, help="equal seeds give equal scenarios (default: 0)")
    world.add_argument(
        "--split", choices=("train", "val", "test"), default="test", help="whose names and values (default: test)"
    )
    world.add_argument("--per-cell", metavar="N", type=int, default=3, help="scenarios per bias and domain")
    world.set_defaults(run=_world, interrupted=lambda _: "nothing was written")


def _plant(args: argparse.Namespace) -> int:
    from fairmem.drift.small.plant import Plant
    from fairmem.pretrain.plant import SCENARIOS, PlantSettings, plant_model

    settings = PlantSettings(plant=Plant(args.alpha, args.ordered), base=args.model, seed=args.seed)
    if args.steps is not None:
        settings = settings.with_steps(args.steps)
    model = plant_model(settings, args.out, lambda line: print(line, file=sys.stderr))
    print(f"{model} holds the model, {args.out / SCENARIOS} scenarios that it can read")
    print(f"audit it: fairmem drift run --model {model} --scenarios {args.out / SCENARIOS} --out FOLDER")
    return 0


def _world(args: argparse.Namespace) -> int:
    from fairmem.drift.small.world import small_world

    scenarios = small_world(args.seed, args.split, args.per_cell)
    try:
        args.out.write_text("".join(s.model_dump_json(by_alias=True) + "\n" for s in scenarios), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{args.out}: cannot be written: {error.strerror}") from error
    print(f"{len(scenarios)} scenarios in {args.out}")
    return 0
