"""`fairmem drift generate`: new scenarios, by models or by templates."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError


def register(actions: Any) -> None:
    """Add the action to `actions`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "generate",
        help="make new scenarios",
        description="Make scenarios with a model that plans, writes and rewords and another that has a veto, or from "
        "templates. Prints how many attempts passed, and where and why the others did not. A generation that was "
        "stopped goes on where it was: give the same command again.",
        epilog="Example: fairmem drift generate --offline --count 70 --out my_scenarios.jsonl",
    )
    parser.add_argument("--model", metavar="SPEC", default="", help="plans, writes, rewords: openai:NAME, hf:PATH")
    parser.add_argument("--auditor-model", metavar="SPEC", default="", help="has the veto; best another model")
    parser.add_argument("--offline", action="store_true", help="templates, no model")
    parser.add_argument("--count", metavar="N", type=int, required=True, help="scenarios wanted")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="file of scenarios (JSON lines)")
    parser.add_argument(
        "--select-on",
        metavar="SPEC",
        action="append",
        default=[],
        help="keep what is sound on this model and raise its drift, as for drift run; repeatable. It is recorded, and "
        "drift run then refuses to report on it",
    )
    parser.add_argument("--base-url", metavar="URL", default="", help="address of the endpoint, for openai:NAME")
    parser.add_argument("--api-key-env", metavar="NAME", default="OPENAI_API_KEY", help="variable that holds the key")
    parser.add_argument("--attempts", metavar="N", type=int, default=3, help="most tries for one place (default: 3)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    parser.set_defaults(run=_run, interrupted=lambda args: f"{args.out} keeps what was done; the same command goes on")


def _run(args: argparse.Namespace) -> int:
    from contextlib import ExitStack

    from fairmem.drift.generate.generation import GenerateConfig, generate
    from fairmem.drift.generate.measure import Selector
    from fairmem.drift.models import open_model
    from fairmem.policy import open_ready

    if args.offline == bool(args.model) or (args.model and not args.auditor_model):
        raise ConfigError("give --offline, or --model and --auditor-model")
    config = GenerateConfig(count=args.count, seed=args.seed, attempts=args.attempts)
    with ExitStack() as stack:
        writer = auditor = None
        if args.model:
            writer = open_ready(args.model, args.base_url, args.api_key_env)
            stack.callback(writer.close)
            auditor = open_ready(args.auditor_model, args.base_url, args.api_key_env)
            stack.callback(auditor.close)
        models = [open_model(spec, base_url=args.base_url, api_key_env=args.api_key_env) for spec in args.select_on]
        for model in models:
            stack.callback(model.close)
        selector = Selector(tuple(models)) if models else None
        counts = generate(args.out, config, writer=writer, auditor=auditor, selector=selector, progress=_tell)
    print(counts.text())
    return 0


def _tell(line: str) -> None:
    print(f"fairmem: {line}", file=sys.stderr)
