"""`fairmem drift`: does memory that has no bearing on a task move the parameters of tool calls?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fairmem.cli import (
    drift_audit,
    drift_confirm,
    drift_defend,
    drift_generate,
    drift_plant,
    drift_probe,
    drift_scan,
    drift_study,
)


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "drift",
        help="find and measure tool calls that memory moves",
        description="Memory-induced tool drift: where it can happen, and whether it does.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    validate = actions.add_parser(
        "validate",
        help="check files of scenarios",
        description="Check scenarios against the rules that make them fair. Exit code 0: all keep them, 1: some do "
        "not, 2: nothing could be read.",
        epilog="Example: fairmem drift validate my_scenarios.jsonl",
    )
    validate.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, help="file or folder (default: the scenarios that ship)"
    )
    validate.set_defaults(run=_validate, interrupted=lambda _: "nothing was written")
    for module in (
        *(drift_audit, drift_defend, drift_scan, drift_confirm),
        *(drift_probe, drift_generate, drift_plant, drift_study),
    ):
        module.register(actions)


def _validate(args: argparse.Namespace) -> int:
    from fairmem.drift.validate import validation_report

    text, broken = validation_report(args.path)
    print(text)
    return 1 if broken else 0
