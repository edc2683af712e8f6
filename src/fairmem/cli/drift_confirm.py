"""`fairmem drift confirm`: do the arguments of a model move when a private memory is there?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fairmem.cli.drift_scan import LEVELS, add_input, load_input, write_report
from fairmem.errors import ConfigError


def register(actions: Any) -> None:
    """Add the action to `actions`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "confirm",
        help="ask a model whether candidates of the scan move",
        description="Scan, then ask a model for the arguments of each candidate with and without private memories.",
        epilog="Exit codes: 0 nothing confirmed, 1 confirmed, 2 wrong usage, 3 incomplete. "
        "Example: fairmem drift confirm tools.json --model openai:my-model --base-url http://localhost:8000/v1",
    )
    add_input(parser)
    parser.add_argument("--model", metavar="SPEC", required=True, help="hf:PATH, openai:NAME or cassette:PATH")
    parser.add_argument("--base-url", metavar="URL", default="", help="address of the endpoint, for openai:NAME")
    parser.add_argument("--api-key-env", metavar="NAME", default="OPENAI_API_KEY", help="variable that holds the key")
    parser.add_argument("--threshold", choices=LEVELS, default="medium", help="least severity asked (default: medium)")
    parser.add_argument("--limit", metavar="N", type=int, default=20, help="at most N candidates (default: 20)")
    parser.add_argument("--trials", metavar="K", type=int, default=3, help="replies per task and arm (default: 3)")
    parser.add_argument("--temperature", metavar="T", type=float, default=1.0, help="of sampling (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of sampling and of the permutations (default: 0)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="of the report (default: table)")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the report there, not to standard output")
    parser.set_defaults(run=run, interrupted=lambda _: "no report was made")


def run(args: argparse.Namespace) -> int:
    """Scan, ask, report."""
    from fairmem.drift import scan
    from fairmem.drift.scan.confirm import confirm
    from fairmem.drift.scan.confirm_report import ConfirmSettings, confirm_json, confirm_table, exit_code
    from fairmem.policy import open_ready

    if args.limit < 1:
        raise ConfigError(f"--limit: found {args.limit}, expected at least 1")
    inventory = load_input(args)
    report = scan.scan(inventory, threshold=scan.SEVERITIES[args.threshold])
    candidates = [finding for finding in report.listed if finding.tool][: args.limit]
    policy = open_ready(args.model, args.base_url, args.api_key_env)
    try:
        found = confirm(
            candidates, inventory.tools, policy, trials=args.trials, temperature=args.temperature, seed=args.seed
        )
    finally:
        policy.close()
    settings = ConfirmSettings(policy.name, args.trials, args.temperature, 0.05, args.seed)
    write_report((confirm_json if args.format == "json" else confirm_table)(found, settings), args.output)
    return exit_code(found, report.complete)
