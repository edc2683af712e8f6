"""`fairmem data`: datasets as files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError


def register(commands: Any) -> None:
    """Add the command to `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "data", help="list datasets, or generate conversations", description="Datasets as files."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser(
        "list",
        help="list the datasets fairmem reads",
        description="List the datasets, their licence, where to get them, and whether a copy is present.",
    )
    listing.add_argument(
        "--in", dest="folder", metavar="FOLDER", type=Path, default=Path("data"), help="look for copies below it (data)"
    )
    listing.set_defaults(run=list_datasets, interrupted=lambda _: "nothing was written")

    check = actions.add_parser(
        "check",
        help="say what a file is and whether it can be read",
        description="Identify a file or folder, read all of it, and count what it holds.",
        epilog="Example: fairmem data check locomo10.json",
    )
    check.add_argument("path", metavar="PATH", type=Path, help="your copy of a dataset")
    check.add_argument("--as", dest="name", metavar="DATASET", help="read it as this dataset, whatever it looks like")
    check.set_defaults(run=check_data, interrupted=lambda _: "nothing was written")

    generate = actions.add_parser(
        "generate",
        help="write generated conversations in LoCoMo's schema",
        description="Write conversations of the village generator as a JSON file in LoCoMo's schema.",
        epilog="Example: fairmem data generate village.json --conversations 10 --sessions 32 --seed 1",
    )
    generate.add_argument("file", metavar="FILE", type=Path, help="the JSON file to write")
    generate.add_argument("--conversations", metavar="N", type=int, default=10, help="how many (default: 10)")
    generate.add_argument("--sessions", metavar="N", type=int, default=8, help="sessions of each, 1-128 (default: 8)")
    generate.add_argument("--split", default="test", help="train, val or test: disjoint in words (default: test)")
    generate.add_argument("--difficulty", metavar="X", type=float, default=0.5, help="0 to 1 (default: 0.5)")
    generate.add_argument("--seed", type=int, default=0, help="equal seeds give equal bytes (default: 0)")
    generate.add_argument("--force", action="store_true", help="write over FILE if it exists")
    generate.set_defaults(run=generate_village, interrupted=lambda args: f"{args.file} was not written")


def list_datasets(args: argparse.Namespace) -> int:
    """Print the table of datasets."""
    from fairmem.data import DATASETS, present

    for spec in DATASETS.values():
        print(f"{spec.name}\n    {spec.description}\n    licence: {spec.licence}\n    source:  {spec.where}")
        if spec.files:
            found = present(spec, args.folder)
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            absent = f"no ({' '.join(spec.files)} below {args.folder})"
            print(f"    present: {f'{found[0]}{more}' if found else absent}")
    return 0


def check_data(args: argparse.Namespace) -> int:
    """Print what a file holds."""
    from fairmem.data import identify

    print(identify(args.path, args.name))
    return 0


def generate_village(args: argparse.Namespace) -> int:
    """Write generated conversations."""
    from fairmem.data import load, locomo

    if args.file.exists() and not args.force:
        raise ConfigError(f"{args.file} exists; --force writes over it")
    if not args.file.parent.is_dir():
        raise ConfigError(f"{args.file.parent}: no such folder")
    if args.conversations < 1:
        raise ConfigError(f"--conversations: found {args.conversations}, expected at least 1")
    conversations = load(
        "village",
        seed=args.seed,
        split=args.split,
        conversations=args.conversations,
        sessions=args.sessions,
        difficulty=args.difficulty,
    )
    locomo.dump(conversations, args.file)
    questions = sum(len(conversation.questions) for conversation in conversations)
    print(f"{args.file}: {len(conversations)} conversations of {args.sessions} sessions, {questions} questions")
    return 0
