"""`fairmem drift run`, `report` and `judge`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmem.cli.drift_defend import Setup, add_defense_options, setup, show_progress
from fairmem.errors import ConfigError

if TYPE_CHECKING:
    from fairmem.drift.answer import CallModel
    from fairmem.drift.scenario import Scenario
    from fairmem.drift.through import SystemMemory


THROUGH = ("direct", "bank", "persistent", "verbatim", "summary", "mem0", "langmem", "lightrag")
"""Direct injection and the keys of `fairmem.drift.through.SYSTEMS`, which a test holds; here so that help is quick."""
SYSTEMS = "systems.json"
"""Marks the folder of a comparison; `fairmem.drift.through.comparison` writes it."""


def register(actions: Any) -> None:
    """Add the actions to those of `fairmem drift`."""
    run: argparse.ArgumentParser = actions.add_parser(
        "run",
        help="run scenarios in all arms and report",
        description="Ask a model every scenario in every arm, append each trial to a file, and report. A run that was "
        "stopped goes on where it was: give the same command again.",
        epilog="Example: fairmem drift run --model openai:gpt-oss-120b --base-url http://localhost:8000/v1 --out audit",
    )
    add_model_options(
        run,
        "model that is audited: openai:NAME, hf:PATH, bundled, closed-form[:alpha=X,...], plant, scripted",
    )
    run.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="folder of the run")
    run.add_argument("--scenarios", metavar="PATH", type=Path, help="file or folder (default: those that ship)")
    run.add_argument("--only", metavar="NAME,NAME", default="", help="only these biases, domains, strata or ids")
    run.add_argument(
        "--arms", metavar="NAME,NAME", default="", help="arms (default: all seven; biased-N is one dose of biased)"
    )
    run.add_argument("--doses", metavar="N,N", default="1,2,4,8", help="memories in the biased arms (default: 1,2,4,8)")
    run.add_argument("--seeds", metavar="N,N", default="0,1,2,3,4", help="one trial per seed (default: 0,1,2,3,4)")
    run.add_argument("--temperature", metavar="X", type=float, default=1.0, help="of sampling (default: 1)")
    run.add_argument("--max-tokens", metavar="N", type=int, default=2048, help="of a reply (default: 2048)")
    run.add_argument("--concurrency", metavar="N", type=int, default=8, help="requests in flight (default: 8)")
    run.add_argument(
        "--sampled", action="store_true", help="draw calls from a local model instead of scoring candidate values"
    )
    run.add_argument(
        "--retry-failed",
        action="store_true",
        help="ask again where the endpoint gave no usable answer or no memory was built",
    )
    run.add_argument("--defense", metavar="NAME", default="", help="put this defence around the model")
    add_defense_options(run)
    _memory_options(run)
    run.set_defaults(
        run=_run, interrupted=lambda args: f"{args.out} keeps what was done; the same command goes on with it"
    )

    report: argparse.ArgumentParser = actions.add_parser(
        "report",
        help="print the report of a drift run, and write it anew",
        description="Print the report of a drift run or a drift defend, finished or stopped, and write it as HTML, "
        "Markdown and JSON.",
    )
    report.add_argument("folder", metavar="FOLDER", type=Path, help="folder of the run")
    report.set_defaults(run=_report, interrupted=lambda args: f"{args.folder} keeps what it had")

    judge: argparse.ArgumentParser = actions.add_parser(
        "judge",
        help="let a blind judge score the calls of a drift run",
        description="Let a model score each call beside the same call without memory, and report how far it agrees "
        "with the deflection. It sees neither memory nor arm.",
        epilog="Example: fairmem drift judge audit --model openai:gpt-oss-120b --base-url http://localhost:8000/v1",
    )
    judge.add_argument("folder", metavar="FOLDER", type=Path, help="folder of the run")
    add_model_options(judge, "model that judges: openai:NAME, hf:PATH, cassette:PATH")
    judge.add_argument("--seed", type=int, default=0, help="of the order in which the two calls are shown")
    judge.set_defaults(run=_judge, interrupted=lambda args: f"{args.folder} keeps the scores it had")


def add_model_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options that name a model; `what` it is for."""
    parser.add_argument("--model", metavar="SPEC", required=True, help=what)
    parser.add_argument("--base-url", metavar="URL", default="", help="address of the endpoint, for openai:NAME")
    parser.add_argument("--api-key-env", metavar="NAME", default="OPENAI_API_KEY", help="variable that holds the key")


def _memory_options(run: argparse.ArgumentParser) -> None:
    memory = run.add_argument_group("through a memory system")
    memory.add_argument(
        "--through",
        metavar="NAME,NAME",
        default="direct",
        help=f"what stands between memories and prompt: some of {', '.join(THROUGH)} (default: direct, as they are); "
        "several are compared, each in its folder below --out",
    )
    memory.add_argument(
        "--memory-model",
        metavar="SPEC",
        default="",
        help="model that writes memory (default: the --model; where that writes no text, scripted: rules without a "
        "model)",
    )
    memory.add_argument("--memory-base-url", metavar="URL", default="", help="its address (default: the --base-url)")
    memory.add_argument(
        "--top-k", metavar="K", type=int, default=5, help="most entries recalled; a summary is whole (default: 5)"
    )
    memory.add_argument(
        "--embedder",
        metavar="SPEC",
        default="hashed",
        help="vectors of the search: hashed, sentence-transformers:MODEL or openai:MODEL (default: hashed)",
    )


def _run(args: argparse.Namespace) -> int:
    from fairmem.drift.arms import KINDS, make_arms
    from fairmem.drift.defenses import DefendedModel, open_defense
    from fairmem.drift.files import load_scenarios
    from fairmem.drift.report import report_audit
    from fairmem.drift.runner import run_audit
    from fairmem.drift.through import report_systems, run_systems

    scenarios = chosen(load_scenarios(args.scenarios), args.only)
    arms = make_arms(args.arms.split(",") if args.arms else KINDS, numbers("--doses", args.doses))
    seeds = numbers("--seeds", args.seeds)
    memories, skipped = _open_memories(args)
    several = len(memories) + len(skipped) > 1
    model = open_audited(args)
    made: Setup | None = None
    try:
        audited = model
        if args.defense:
            made = setup(args, model, scenarios)
            defense = open_defense(args.defense, made.settings)
            audited = DefendedModel(model, defense, made.resources, made.settings.record())
        if several:
            asked = run_systems(
                audited,
                scenarios,
                arms,
                seeds,
                args.out,
                memories,
                skipped=skipped,
                retry_failed=args.retry_failed,
                progress=lambda name: show_progress(f"{name}: "),
            )
        else:
            asked = run_audit(
                audited,
                scenarios,
                arms,
                seeds,
                args.out,
                memory=next(iter(memories.values())),
                retry_failed=args.retry_failed,
                progress=show_progress(),
            )
    finally:
        model.close()
        if made is not None:
            made.close()
    if sys.stderr.isatty():
        print(f"\r{asked} trials asked\033[K", file=sys.stderr)
    print(report_systems(args.out) if several else report_audit(args.out))
    return 0


def _open_memories(args: argparse.Namespace) -> tuple[dict[str, SystemMemory | None], dict[str, str]]:
    """The memory systems that `--through` names, and why others of it are left out."""
    from fairmem.drift.through import WriterOptions, open_systems

    writer = WriterOptions(
        args.memory_model or _writes_by_default(args.model),
        args.memory_base_url or args.base_url,
        args.api_key_env,
        args.concurrency,
    )
    memories, skipped = open_systems(
        [name.strip() for name in args.through.split(",")],
        writer,
        top_k=args.top_k,
        embedder=args.embedder,
        progress=lambda name: show_progress(f"{name}: ", "memories"),
    )
    for name, why in skipped.items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    return memories, skipped


def open_audited(args: argparse.Namespace) -> CallModel:
    """The model that `--model` names, with the options of sampling."""
    from fairmem.drift.models import open_model

    return open_model(
        args.model,
        base_url=args.base_url,
        api_key_env=args.api_key_env,
        sampled=args.sampled,
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        concurrency=args.concurrency,
    )


def _writes_by_default(model: str) -> str:
    """The model that writes memory when none is named."""
    return "scripted" if model.partition(":")[0] in ("closed-form", "scripted", "cassette") else model


def chosen(scenarios: Sequence[Scenario], only: str) -> list[Scenario]:
    """The `scenarios` that `--only` names: of any of its biases, and any of its domains, strata and ids.

    Raises:
        ConfigError: no scenario has one of the names.
    """
    wanted = set(filter(None, only.split(",")))
    kinds = ("dimension", "domain", "stratum", "id")
    known = {kind: {str(getattr(scenario, kind)) for scenario in scenarios} & wanted for kind in kinds}
    unknown = wanted.difference(*known.values())
    if unknown:
        raise ConfigError(f"--only: no scenario has {', '.join(sorted(unknown))}")
    return [s for s in scenarios if all(not names or getattr(s, kind) in names for kind, names in known.items())]


def _report(args: argparse.Namespace) -> int:
    from fairmem.drift.defend import report_defend
    from fairmem.drift.defend.records import DEFEND_RUN
    from fairmem.drift.report import report_audit
    from fairmem.drift.through import report_systems

    several = (args.folder / SYSTEMS).is_file()
    report = report_defend if (args.folder / DEFEND_RUN).exists() else report_systems if several else report_audit
    print(report(args.folder))
    return 0


def _judge(args: argparse.Namespace) -> int:
    from fairmem.drift.judge import judge_run
    from fairmem.drift.report import report_audit
    from fairmem.drift.trials import read_run
    from fairmem.policy import open_ready

    run = read_run(args.folder)
    policy = open_ready(args.model, args.base_url, args.api_key_env)
    try:
        judge_run(run, args.folder, policy, seed=args.seed)
    finally:
        policy.close()
    print(report_audit(args.folder))
    return 0


def numbers(option: str, text: str) -> list[int]:
    """The whole numbers in `text`, which was given to `option`.

    Raises:
        ConfigError: it is something else.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{option}: found {text!r}, expected whole numbers with commas, as 0,1,2") from None
