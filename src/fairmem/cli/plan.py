"""`fairmem plan`: what a recipe asks of a machine, before it is rented."""

from __future__ import annotations

import argparse
import json
from typing import Any


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="estimate calls, tokens, memory and time of a recipe on a machine",
        description="Estimate what a recipe asks of a machine: calls and tokens per step by role, rows, memory per "
        "GPU, seconds per phase, and what holds it up. Nothing is run and no model is loaded. Ends with 1 if it does "
        "not fit.",
        epilog="Example: fairmem plan memory_r2_qwen2.5_7b --gpus 8xH100 --answerer-gpus 4xH100. See "
        "docs/guide/scale.md.",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe file, or the name of a shipped recipe")
    parser.add_argument("overrides", metavar="key=value", nargs="*", default=[], help="recipe values to change")
    parser.add_argument("--gpus", metavar="NxKIND", help="such as 8xH100; without it only the work is counted")
    parser.add_argument("--compare", metavar="NxKIND,NxKIND", help="one line per machine instead of a plan of one")
    parser.add_argument(
        "--per-node", metavar="N", type=int, help="GPUs of a node (default: what is usual for the kind)"
    )
    parser.add_argument("--engine", help="embedded, verl or trl (default: verl on several GPUs, else embedded)")
    parser.add_argument(
        "--engine-option", metavar="KEY=VALUE", action="append", default=[], help="as for fairmem train; several times"
    )
    parser.add_argument("--model-config", metavar="FILE", help="config.json of the trained model, if it is not on disk")
    parser.add_argument(
        "--answerer-gpus", metavar="NxKIND", help="what serves the answerer; without it its time is left out"
    )
    parser.add_argument(
        "--answerer-config", metavar="FILE", help="config.json of the answerer, if its shape is not known"
    )
    parser.add_argument(
        "--set", metavar="NAME=NUMBER", action="append", default=[], help="an assumption to change; several times"
    )
    parser.add_argument("--assumptions", action="store_true", help="print the assumptions in use, and plan nothing")
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    parser.set_defaults(run=run, interrupted=lambda args: "a plan writes nothing")


def run(args: argparse.Namespace) -> int:
    """Plan, and print it."""
    from fairmem.config import load_recipe
    from fairmem.errors import ConfigError
    from fairmem.planning import (
        Machine,
        Setup,
        as_values,
        compared,
        comparison,
        page,
        read_assumptions,
        read_machine,
        shape_from,
        table,
    )

    assumptions = read_assumptions(args.set)
    if args.assumptions:
        print(table(assumptions), end="")
        return 0
    if args.gpus and args.compare:
        raise ConfigError("--gpus and --compare are both given; use one")
    recipe = load_recipe(args.recipe, args.overrides)
    answering = read_machine(args.answerer_gpus) if args.answerer_gpus else None
    shapes = shape_from(args.model_config), shape_from(args.answerer_config)

    def setup(machine: Machine | None) -> Setup:
        engine = args.engine or ("verl" if machine is not None and machine.count > 1 else "embedded")
        return Setup(machine, engine, tuple(args.engine_option), shapes[0], answering, shapes[1], assumptions)

    wanted = args.compare or args.gpus
    machines = [read_machine(text, args.per_node) for text in wanted.split(",")] if wanted else [None]
    plans = compared(recipe, [setup(machine) for machine in machines])
    if args.json:
        values = [as_values(plan) for plan in plans]
        print(json.dumps(values if args.compare else values[0], indent=2))
    elif args.compare:
        print("\n".join(comparison(plans)))
    else:
        print(page(plans[0]), end="")
    return 0 if any(plan.fits for plan in plans) else 1
