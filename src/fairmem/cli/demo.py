"""`fairmem demo`: three sessions of memory at work, without a model."""

from __future__ import annotations

import argparse
from typing import Any


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="watch a memory being kept over three sessions (no model, no network)",
        description="Replay three scripted sessions and print every memory operation, its outcome and the bank.",
    )
    parser.set_defaults(run=run, interrupted=lambda _: "the demo writes nothing")


def run(_: argparse.Namespace) -> int:
    """Print the demo."""
    from fairmem.demo import lines

    for line in lines():
        print(line)
    return 0
