"""`fairmem eval`: score a model on a dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fairmem.types import CATEGORIES


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "eval",
        help="score a model on a dataset",
        description="Run a model over the conversations of a dataset and score the answers its memory gives.",
        epilog="Example: fairmem eval locomo --data locomo10.json --model runs/memory_r2_small/model",
    )
    parser.add_argument("dataset", metavar="DATASET", help="locomo, msc, village, ...")
    parser.add_argument("--data", metavar="PATH", type=Path, help="file or folder of the dataset (village needs none)")
    parser.add_argument(
        "--model",
        metavar="SPEC",
        default="bundled",
        help="model that keeps the memory: bundled, a model folder (or one with a model per role), hf:PATH or "
        "openai:NAME (default: bundled)",
    )
    parser.add_argument("--base-url", metavar="URL", default="", help="address of the endpoint, for openai:NAME")
    parser.add_argument("--answerer", metavar="SPEC", default="", help="model that answers (default: the --model)")
    parser.add_argument("--answerer-base-url", metavar="URL", default="", help="its address (default: the --base-url)")
    parser.add_argument("--api-key-env", metavar="NAME", default="OPENAI_API_KEY", help="variable that holds the key")
    parser.add_argument("--conversations", metavar="ID,ID", help="only these conversations")
    parser.add_argument(
        "--sessions", metavar="N", type=int, help="only the first N sessions of each (village: makes N)"
    )
    parser.add_argument("--limit", metavar="N", type=int, help="only the first N conversations (village: makes N)")
    parser.add_argument(
        "--questions", metavar="N", type=int, help="only N questions per conversation, drawn by the seed"
    )
    parser.add_argument(
        "--categories",
        metavar="NAME,NAME",
        default=",".join(name for name in CATEGORIES if name != "adversarial"),
        help="question categories that count (default: all but adversarial)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of sampling, of village and of the intervals")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="write the report, the answers and the trace there")
    parser.set_defaults(run=run, interrupted=interrupted)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the report."""
    from fairmem.eval.runner import evaluate_dataset

    report = evaluate_dataset(
        dataset=args.dataset,
        path=args.data,
        model=args.model,
        base_url=args.base_url,
        answerer=args.answerer or args.model,
        answerer_base_url=args.answerer_base_url or args.base_url,
        api_key_env=args.api_key_env,
        conversations=tuple(args.conversations.split(",")) if args.conversations else (),
        sessions=args.sessions,
        limit=args.limit,
        questions=args.questions,
        categories=tuple(args.categories.split(",")),
        seed=args.seed,
        out=args.out,
    )
    print(report)
    return 0


def interrupted(args: argparse.Namespace) -> str:
    """What a stopped evaluation leaves behind."""
    return "no report was made" + (f"; what was finished is in {args.out}" if args.out else "")
