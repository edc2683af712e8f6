"""`fairmem lab`: credit rules where the truth is known."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError
from fairmem.replace import replace_text

_NUMBERS = ("replications", "estimates", "tokens", "seed")
_LISTS: dict[str, type[Any]] = {"rules": str, "horizons": int, "interactions": float, "skills": float, "worlds": str}
"""Options that are lists, with the type of their parts."""


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lab",
        help="measure credit rules where the exact gradient is known (no model)",
        description="Measure bias, noise and cost of every credit rule in small memory worlds whose exact policy "
        "gradient is known.",
        epilog="Example: fairmem lab --rules grpo,logo --horizons 8,32 --replications 4. See docs/guide/lab.md.",
    )
    parser.add_argument("--rules", metavar="NAME,NAME", help="credit rules (default: all)")
    parser.add_argument("--horizons", metavar="N,N", help="sessions (default: 8,16,32,64,128)")
    parser.add_argument(
        "--interactions",
        metavar="X,X",
        help="how much sessions interact, 0 to 1: the first over all horizons, the others at the middle one "
        "(default: 0.5,0,0.25,0.75,1)",
    )
    parser.add_argument(
        "--worlds", metavar="NAME,NAME", help="worlds besides mixed, at the middle horizon (default: undone,delayed)"
    )
    parser.add_argument("--replications", metavar="N", type=int, help="conversations per cell (default: 8)")
    parser.add_argument("--estimates", metavar="N", type=int, help="gradient estimates per conversation (default: 64)")
    parser.add_argument(
        "--tokens",
        metavar="N",
        type=int,
        help="budget of one estimate, in sampled tokens per session of the horizon (default: 1280, 16 rollouts)",
    )
    parser.add_argument(
        "--skills",
        metavar="X,X",
        help="nats by which the policy prefers the obvious operation: the first everywhere, the others at the middle "
        "horizon (default: 1.5,0,3)",
    )
    parser.add_argument("--seed", metavar="N", type=int, help="seed of everything (default: 0)")
    parser.add_argument("--out", type=Path, help="folder for lab.json, lab.md and lab.png (default: only print)")
    parser.set_defaults(run=run, interrupted=lambda _: "nothing was written")


def run(args: argparse.Namespace) -> int:
    """Run the lab and print its tables."""
    given: dict[str, Any] = {name: getattr(args, name) for name in _NUMBERS}
    given |= {name: _listed(getattr(args, name), name, kind) for name, kind in _LISTS.items()}

    from fairmem.lab import LabSettings, run_lab, save
    from fairmem.lab.plots import draw
    from fairmem.lab.tables import report

    settings = LabSettings(**{name: value for name, value in given.items() if value is not None})
    result = run_lab(settings, lambda text: print(text, file=sys.stderr))
    print(report(result), end="")
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        save(result, args.out / "lab.json")
        replace_text(args.out / "lab.md", report(result))
        draw(result, args.out / "lab.png")
    return 0


def _listed(text: str | None, name: str, kind: type[Any]) -> tuple[Any, ...] | None:
    """The parts of a comma-separated option; None if it was not given."""
    if text is None:
        return None
    try:
        return tuple(kind(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        what = "whole numbers, as in 8,16,32" if kind is int else "numbers, as in 0.5,0,1"
        raise ConfigError(f"--{name} is '{text}', expected {what}") from error
