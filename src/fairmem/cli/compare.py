"""`fairmem compare`: two evaluations, question by question."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

TEXT_SCORES = ("bag", "locomo", "mem0_set", "memory_r2_set", "em", "bleu1", "bleu1_no_brevity", "date")
"""Keys of `fairmem.metrics.ANSWER_SCORES`, which a test holds; listed so that help needs no numpy."""
SCORES = (*TEXT_SCORES, "judge_lenient", "judge_strict")
"""Every score an evaluation can be printed by: the above, and a judge's verdicts."""


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help="compare two evaluations question by question",
        description="Pair the questions of two evaluations: the difference with its interval, p values, the effect per "
        "category, and the questions that flipped. Scores of different definitions are refused.",
        epilog="Example: fairmem compare results/before results/after --score locomo",
    )
    for name in ("first", "second"):
        parser.add_argument(
            name, metavar=name.upper(), type=Path, help="folder of an evaluation or of a run, or an eval.jsonl"
        )
    parser.add_argument("--score", choices=SCORES, help="score both anew by this definition")
    parser.add_argument("--exclude", metavar="FILE", type=Path, help="leave out questions with known-bad keys")
    parser.add_argument("--mixed", action="store_true", help="compare although the scores are of different definitions")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="write compare.json, .md and .html there")
    parser.set_defaults(run=run, interrupted=lambda _: "nothing was compared")


def run(args: argparse.Namespace) -> int:
    """Print the comparison."""
    from fairmem.eval.comparison import compare_results, format_comparison, load_evaluation, write_comparison
    from fairmem.eval.rescore import read_bad_keys

    found = compare_results(
        load_evaluation(args.first),
        load_evaluation(args.second),
        _names(args.first, args.second),
        score=args.score,
        bad=read_bad_keys(args.exclude) if args.exclude else None,
        mixed=args.mixed,
    )
    if args.out:
        write_comparison(found, args.out)
    print(format_comparison(found), end="")
    return 0


def _names(first: Path, second: Path) -> tuple[str, str]:
    """Short names that differ."""
    for depth in range(1, 4):
        names = ("/".join(first.parts[-depth:]), "/".join(second.parts[-depth:]))
        if names[0] != names[1]:
            return names
    return ("first", "second")
