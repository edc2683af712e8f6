"""`fairmem eval`: score a model on a dataset."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fairmem.cli.compare import TEXT_SCORES
from fairmem.errors import ConfigError

MEMORIES = ("none", "full", "last", "bm25", "dense", "summary", "oracle", "ours")
"""Keys of `fairmem.eval.BACKENDS`, which a test holds; listed so that help needs no numpy."""
PEERS = ("mem0", "langmem", "lightrag")
"""Keys of `fairmem.eval.peers.PEERS`, likewise: memory products, each with an extra of its own."""


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
    _add_models(parser)
    _add_choice(parser)
    parser.add_argument(
        "--memory",
        metavar="NAME,NAME",
        default="ours",
        help=f"what keeps the memory: some of {', '.join(MEMORIES)} (default: ours), 'all' takes each; or products: "
        f"{', '.join(PEERS)}, 'peers' takes each",
    )
    parser.add_argument("--score", choices=TEXT_SCORES, help="definition of the score (default: bag; choices: em)")
    parser.add_argument(
        "--distill", action="store_true", help="the answerer first lists the entries it keeps; the list is scored"
    )
    parser.add_argument("--top-k", metavar="K", type=int, help="entries shown per speaker (default: as trained)")
    parser.add_argument(
        "--budget", metavar="N", type=int, default=0, help="most tokens of entries shown (default: no limit)"
    )
    parser.add_argument("--concurrency", metavar="N", type=int, default=16, help="most calls in flight (default: 16)")
    parser.add_argument(
        "--prices", metavar="IN,OUT", help="of a million prompt and reply tokens, to print what it cost"
    )
    parser.add_argument(
        "--exclude", metavar="FILE", type=Path, help="report also without known-bad keys (locomo-audit's errors.json)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of sampling, of village and of the intervals")
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="write report, answers and every call there; resumable"
    )
    parser.set_defaults(run=run, interrupted=interrupted)


def _add_models(parser: argparse.ArgumentParser) -> None:
    """Who keeps the memory, who answers, and where they are."""
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
    parser.add_argument(
        "--prompts",
        choices=("instruct", "compact"),
        default="instruct",
        help="prompts that an endpoint understands: compact for a served model that fairmem trained from the bundled "
        "one (default: instruct)",
    )


def _add_choice(parser: argparse.ArgumentParser) -> None:
    """Which conversations and questions count."""
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
        help="question categories that count (default: all; locomo and village: all but adversarial)",
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the report."""
    from fairmem.eval.evaluation import EvalRequest, evaluate_dataset

    asked = EvalRequest(
        dataset=args.dataset,
        path=args.data,
        model=args.model,
        base_url=args.base_url,
        answerer=args.answerer,
        answerer_base_url=args.answerer_base_url,
        api_key_env=args.api_key_env,
        prompts=args.prompts,
        memories=_memories(args.memory),
        conversations=tuple(args.conversations.split(",")) if args.conversations else (),
        sessions=args.sessions,
        limit=args.limit,
        questions=args.questions,
        categories=tuple(args.categories.split(",")) if args.categories else (),
        score=args.score or "",
        top_k=args.top_k,
        distill=args.distill,
        budget=args.budget,
        concurrency=args.concurrency,
        prices=_prices(args.prices),
        seed=args.seed,
        out=args.out,
        exclude=args.exclude,
    )
    print(evaluate_dataset(asked, lambda line: print(line, file=sys.stderr, flush=True)))
    return 0


def _memories(text: str) -> tuple[str, ...]:
    """The memories that `text` names, each once; `all` and `peers` stand for several."""
    several = {"all": MEMORIES, "peers": PEERS}
    return tuple(dict.fromkeys(name for part in text.split(",") for name in several.get(part, (part,))))


def _prices(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--prices is '{text}', expected two numbers such as 0.15,0.6") from None
    return first, second


def interrupted(args: argparse.Namespace) -> str:
    """What a stopped evaluation leaves behind."""
    if args.out:
        return f"no report was made; what was asked is in {args.out}, and the same command goes on from there"
    return "no report was made; with --out FOLDER the same command goes on where it was stopped"
