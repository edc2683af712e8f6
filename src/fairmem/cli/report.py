"""`fairmem report`: the report of a run, finished or stopped, or of an evaluation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fairmem.cli.compare import SCORES
from fairmem.config import RESOLVED, SMALL_WORLD, load_recipe
from fairmem.errors import ConfigError

EVALUATION, MEMORIES = "eval.jsonl", "memories.json"


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="print the report of a run or of an evaluation, and write it anew",
        description="Print the report of a run (with its learning curve) or of an evaluation, and write its files.",
    )
    parser.add_argument(
        "run_folder",
        metavar="FOLDER",
        type=Path,
        help="of a run, as runs/memory_r2_small, or the --out of fairmem eval",
    )
    parser.add_argument("--score", choices=SCORES, help="of an evaluation: score its answers by this definition")
    parser.add_argument("--exclude", metavar="FILE", type=Path, help="of an evaluation: also without known-bad keys")
    parser.set_defaults(run=run, interrupted=lambda args: f"{args.run_folder} keeps what it had")


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    if (args.run_folder / EVALUATION).is_file():
        print(_evaluation(args), end="")
        return 0
    if (args.run_folder / MEMORIES).is_file():
        print(_memories(args), end="")
        return 0
    if not (args.run_folder / RESOLVED).is_file():
        raise ConfigError(
            f"{args.run_folder}: not the folder of a run (it has no {RESOLVED}) nor of an evaluation (no {EVALUATION} "
            f"or {MEMORIES})"
        )
    if args.score or args.exclude:
        raise ConfigError(f"{args.run_folder} is a run; --score and --exclude are for evaluations")

    if load_recipe(args.run_folder / RESOLVED).data.source == SMALL_WORLD:
        from fairmem.drift.small.practice import report_practice

        print(report_practice(args.run_folder))
        return 0

    from fairmem.eval.report import report_run

    print(report_run(args.run_folder))
    return 0


def _evaluation(args: argparse.Namespace) -> str:
    from fairmem.eval.report import format_result, write_eval_report
    from fairmem.eval.rescore import read_bad_keys, rescored
    from fairmem.eval.result import EvalResult

    result = EvalResult.load(args.run_folder / EVALUATION)
    result = rescored(result, args.score) if args.score else result
    bad = read_bad_keys(args.exclude) if args.exclude else None
    write_eval_report(result, args.run_folder, bad)
    return format_result(result, bad)


def _memories(args: argparse.Namespace) -> str:
    """Of a folder with several memories: the table, and the report of each."""
    from fairmem.eval.memories_page import read_memories, write_memories
    from fairmem.eval.report import write_eval_report
    from fairmem.eval.rescore import read_bad_keys, rescored

    results, skipped = read_memories(args.run_folder)
    bad = read_bad_keys(args.exclude) if args.exclude else None
    if args.score:
        results = {name: rescored(result, args.score) for name, result in results.items()}
    for name, result in results.items():
        write_eval_report(result, args.run_folder / name, bad)
    return write_memories(results, skipped, args.run_folder, bad)
