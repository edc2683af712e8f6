"""`fairmem reproduce`: the ablations of Memory-R2 at equal sampled tokens."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError
from fairmem.replace import replace_text


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "reproduce",
        help="train the ablations of Memory-R2 over seeds at equal sampled tokens, and report them",
        description="Train every arm of a matrix of ablations over seeds, each with the same budget of sampled tokens, "
        "and write one report: JSON, a Markdown page, figures. Killed anywhere, the same command goes on.",
        epilog="Example: fairmem reproduce --only horizon_8 --seeds 0,1 --jobs 2. See docs/guide/reproduce.md.",
    )
    parser.add_argument("--only", metavar="GROUP,GROUP", help="groups of the matrix (default: all)")
    parser.add_argument("--seeds", metavar="N,N", help="the seeds (default: those of the matrix)")
    parser.add_argument("--budget", metavar="TOKENS", type=int, help="sampled tokens per run (default: the matrix's)")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument(
        "--matrix", metavar="FILE", type=Path, help="another matrix of arms: a file, or `recipes`, which ships too"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"), help="folder of the runs")
    parser.add_argument(
        "--results",
        type=Path,
        help="folder of the report (default: that of the runs). Runs of a report that is there count as finished, and "
        "its other groups are kept",
    )
    parser.add_argument(
        "--readme",
        metavar="FILE",
        type=Path,
        help="also put a table of all comparisons into FILE, between marker lines",
    )
    parser.add_argument("--list", action="store_true", help="print groups, arms and estimated time, and train nothing")
    parser.add_argument("--report", action="store_true", help="report the runs that are finished, and train nothing")
    parser.set_defaults(run=run, interrupted=lambda args: f"finished runs are in {args.out}; repeat the command")


def run(args: argparse.Namespace) -> int:
    """List, train, report."""
    from fairmem.config import load_recipe
    from fairmem.policy import weights_digest
    from fairmem.reproduce import listing, load_matrix, plan_runs, read_report, report, run_matrix
    from fairmem.reproduce.readme import around

    matrix = load_matrix(args.matrix).only(args.only.split(",") if args.only else ())
    if args.budget is not None and args.budget < 1:
        raise ConfigError(f"--budget is {args.budget}, expected a number of tokens above 0")
    earlier = read_report(args.results or args.out, matrix, weights_digest(load_recipe(matrix.recipe).model.path))
    if args.readme is not None:
        around(args.readme)  # what is wrong with it is said before anything is trained
    seeds = _seeds(args.seeds) if args.seeds else matrix.seeds
    runs = plan_runs(matrix, seeds, args.out, args.budget, earlier)
    if args.list:
        print(listing(matrix, runs, args.jobs), end="")
        return 0
    failures: dict[Path, str] = {}
    if not args.report:
        args.out.mkdir(parents=True, exist_ok=True)
        failures = run_matrix(matrix, runs, args.jobs, lambda text: print(text, file=sys.stderr, flush=True))
    words = [] if args.matrix is None else ["--matrix", str(args.matrix)]
    found = report(matrix, runs, failures, words, args.budget, earlier)
    _write(found, args.results or args.out, args.readme)
    return 0


def _write(found: dict[str, Any], folder: Path, readme: Path | None) -> None:
    from fairmem.reproduce import draw_differences, draw_frontier, page, put_in_readme, save
    from fairmem.reproduce.page import DIFFERENCES, FRONTIER
    from fairmem.reproduce.recorded import NAME

    folder.mkdir(parents=True, exist_ok=True)
    save(found, folder / NAME)
    replace_text(folder / "reproduce.md", page(found))
    draw_differences(found, folder / DIFFERENCES)
    draw_frontier(found, folder / FRONTIER)
    if readme is not None:
        put_in_readme(found, readme)
    print(page(found), end="")
    print(f"written: {folder / 'reproduce.md'}, reproduce.json and figures", file=sys.stderr)


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"--seeds is '{text}', expected integers, as in 0,1,2,3,4") from error
