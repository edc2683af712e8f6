"""`fairmem judge`: let a model say which answers are right, or see how far its word can be trusted."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "judge",
        help="let a model judge the answers of an evaluation",
        description="Ask a model whether each answer of an evaluation is right, by a lenient and a strict prompt, and "
        "report both; or compare its verdicts with labelled ones. Verdicts are kept: no case is judged twice.",
        epilog="Example: fairmem judge results/locomo --model openai:gpt-4o-mini",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="of an evaluation (fairmem eval --out)")
    parser.add_argument("--model", metavar="SPEC", required=True, help="the judge: openai:NAME, hf:PATH or a folder")
    parser.add_argument("--base-url", metavar="URL", default="", help="address of the endpoint, for openai:NAME")
    parser.add_argument("--api-key-env", metavar="NAME", default="OPENAI_API_KEY", help="variable that holds the key")
    parser.add_argument("--concurrency", metavar="N", type=int, default=16, help="most calls in flight (default: 16)")
    parser.add_argument("--calibrate", metavar="FILE", type=Path, help="print the agreement with labelled verdicts")
    parser.add_argument(
        "--write-labels", metavar="FILE", type=Path, help="write the answers as cases for a person to label"
    )
    parser.set_defaults(run=run, interrupted=lambda _: "every verdict so far is kept; the same command goes on")


def run(args: argparse.Namespace) -> int:
    """Judge, or calibrate."""

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if args.concurrency < 1:
        raise ConfigError(f"--concurrency is {args.concurrency}, expected at least 1")
    from fairmem.eval.judging import calibrate_file, judge_folder

    folder: Path | None = args.folder
    labels: Path | None = args.calibrate
    opened = (args.model, args.base_url, args.api_key_env, args.concurrency, say)
    if labels is not None:
        print(calibrate_file(labels, folder, *opened), end="")
    elif folder is not None:
        print(judge_folder(folder, args.write_labels, *opened), end="")
    else:
        raise ConfigError("nothing to judge: give the FOLDER of an evaluation, or --calibrate FILE")
    return 0
