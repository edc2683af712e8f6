"""`fairmem drift`: does memory silently move tool calls?

One file per subcommand; each has `register(actions)` and stands in `_ACTIONS`.
"""

from __future__ import annotations

import argparse
from typing import Any

from fairmem.cli import drift_confirm, drift_scan

_ACTIONS = (drift_scan, drift_confirm)


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "drift",
        help="find and measure tool calls that memory moves",
        description="Memory-induced tool drift: where it can happen, and whether it does.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for module in _ACTIONS:
        module.register(actions)
