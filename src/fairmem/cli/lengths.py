"""`fairmem lengths`: what a structured memory keeps, and costs, over ever longer streams."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError
from fairmem.replace import replace_text

_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKmM]?)")


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lengths",
        help="write generated streams of up to a million tokens into a structured memory",
        description="Write generated streams of several lengths into a structured memory, ask about all of each, and "
        "tell score, size, time per chunk and resident memory. Goes on where it was stopped, length by length.",
        epilog="Example: fairmem lengths oracle --tokens 30k,100k --out lengths. See docs/guide/mem-alpha.md.",
    )
    parser.add_argument(
        "what", metavar="RECIPE_OR_MODEL", help="a recipe, a model folder, or oracle (no model: memory alone)"
    )
    parser.add_argument(
        "--tokens", metavar="N,N", default="30k,100k,400k,1M", help="lengths (default: 30k,100k,400k,1M)"
    )
    parser.add_argument("--questions", metavar="N", type=int, default=200, help="asked at the end (default: 200)")
    parser.add_argument(
        "--lanes",
        metavar="N",
        type=int,
        default=16,
        help="pairs that talk at a time, one batch (default: 16)",
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the streams (default: 0)")
    parser.add_argument("--out", type=Path, help="folder for lengths.json, .md and .png (default: only print)")
    parser.set_defaults(
        run=run, interrupted=lambda args: f"the lengths that are done are in {args.out}" if args.out else "nothing kept"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print the table and write the files."""
    lengths = [_length(part.strip()) for part in args.tokens.split(",") if part.strip()]
    if args.lanes < 1 or args.questions < 1:
        raise ConfigError(f"--lanes is {args.lanes}, --questions {args.questions}; expected at least 1 each")

    from fairmem.lengths import LengthSettings, draw, open_player, report, run_lengths

    player = open_player(args.what)
    try:
        settings = LengthSettings(args.seed, args.lanes, args.questions)
        result = run_lengths(player, lengths, settings, args.out, lambda text: print(text, file=sys.stderr))
    finally:
        player.close()
    print(report(result), end="")
    if args.out is not None:
        replace_text(args.out / "lengths.md", report(result))
        draw(result, args.out / "lengths.png")
    return 0


def _length(text: str) -> int:
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise ConfigError(f"--tokens has '{text}', expected numbers such as 30k, 100000 or 1M")
    return int(float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2].lower()])
