"""`fairmem report`: the report of a finished or stopped run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fairmem.config import RESOLVED
from fairmem.errors import ConfigError


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="print the report of a run, and write it anew",
        description="Print the report of a run and write its HTML file and learning curve anew.",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="folder of the run, as runs/memory_r2_small")
    parser.set_defaults(run=run, interrupted=lambda args: f"{args.run_folder} keeps what it had")


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    if not (args.run_folder / RESOLVED).is_file():
        raise ConfigError(f"{args.run_folder}: not the folder of a run (it has no {RESOLVED})")

    from fairmem.eval.report import report_run

    print(report_run(args.run_folder))
    return 0
