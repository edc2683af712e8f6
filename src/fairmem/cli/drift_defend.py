"""`fairmem drift defend`: every defence on the same trials; and the options that `drift run --defense` shares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmem.errors import ConfigError

if TYPE_CHECKING:
    from fairmem.drift.answer import CallModel
    from fairmem.drift.defenses import DefenseSettings, Resources
    from fairmem.drift.scenario import Scenario
    from fairmem.policy import Policy

_GUARDS = ("high", "medium", "low", "all")


def register(actions: Any) -> None:
    """Add the action to those of `fairmem drift`."""
    from fairmem.cli.drift_audit import add_model_options

    parser: argparse.ArgumentParser = actions.add_parser(
        "defend",
        help="compare defences against memory drift",
        description="Put each defence around a model and ask it the same scenarios: how much drift is left, whether "
        "relevant memory is still used, what is wrongly undone, and what it costs. A run that was stopped goes on "
        "where it was: give the same command again.",
        epilog="Example: fairmem drift defend --model closed-form:alpha=0.3 --limit 35 --out defences",
    )
    add_model_options(parser, "model to defend: openai:NAME, hf:PATH, bundled, closed-form[:alpha=X,...], scripted")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--defenses", metavar="NAME,NAME", default="all", help="defences by name, or all (default); see the guide"
    )
    parser.add_argument("--scenarios", metavar="PATH", type=Path, help="file or folder (default: those that ship)")
    parser.add_argument("--only", metavar="NAME,NAME", default="", help="only these biases, domains, strata or ids")
    parser.add_argument(
        "--limit", metavar="N", type=int, default=0, help="at most N scenarios, spread over biases and domains"
    )
    parser.add_argument("--dose", metavar="N", type=int, default=8, help="memories in each arm (default: 8)")
    parser.add_argument("--seeds", metavar="N,N", default="0,1,2,3,4", help="one trial per seed (default: 0,1,2,3,4)")
    parser.add_argument("--temperature", metavar="X", type=float, default=1.0, help="of sampling (default: 1)")
    parser.add_argument("--max-tokens", metavar="N", type=int, default=2048, help="of a reply (default: 2048)")
    parser.add_argument("--concurrency", metavar="N", type=int, default=8, help="requests in flight (default: 8)")
    parser.add_argument(
        "--sampled", action="store_true", help="draw calls from a local model instead of scoring values"
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="ask again where the endpoint gave no usable answer"
    )
    add_defense_options(parser)
    parser.set_defaults(
        run=_run, interrupted=lambda args: f"{args.out} keeps what was done; the same command goes on with it"
    )


def add_defense_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what defences may use and how they are set."""
    group = parser.add_argument_group("settings of defences")
    group.add_argument("--untagged", action="store_true", help="hide the scopes of memories from the defences")
    group.add_argument(
        "--guard", choices=_GUARDS, default="medium", help="findings of the scan that are guarded (default: medium)"
    )
    group.add_argument("--permits", metavar="FILE", type=Path, help="JSON: parameters of tools that memory may move")
    group.add_argument(
        "--rules", metavar="FILE", type=Path, help="JSON: tightened schemas (default: the scenarios' own ranges)"
    )
    group.add_argument(
        "--directions", metavar="DIR", type=Path, help="folder of fairmem drift probe, for direction-ablation"
    )
    group.add_argument(
        "--filter-embedder", metavar="SPEC", default="hashed", help="of embedding-filter (default: hashed)"
    )
    group.add_argument(
        "--least-cosine", metavar="X", type=float, default=0.1, help="that embedding-filter keeps (default: 0.1)"
    )
    group.add_argument("--filter-model", metavar="SPEC", default="", help="of llm-filter (default: the model itself)")
    group.add_argument(
        "--beta", metavar="X", type=float, default=0.5, help="of memory's pull that value-mixing keeps (default: 0.5)"
    )
    group.add_argument("--cite", action="store_true", help="provenance: ask the model for the sources of arguments")


@dataclass(frozen=True, slots=True)
class Setup:
    """What the options of `add_defense_options` come to; `opened` is to be closed."""

    settings: DefenseSettings
    resources: Resources
    opened: Policy | None = None

    def close(self) -> None:
        """Close what was opened for the defences alone."""
        if self.opened is not None:
            self.opened.close()


def setup(args: argparse.Namespace, model: CallModel, scenarios: Sequence[Scenario]) -> Setup:
    """The settings and resources that `args` name, for defences of `model`.

    Raises:
        ConfigError: an option is wrong.
        DataError: a file is not what it should be.
    """
    from fairmem.drift.defenses import (
        DefenseSettings,
        Resources,
        read_directions,
        read_permits,
        read_rules,
        rules_of,
    )
    from fairmem.memory import build_embedder

    directions: list[Any] = []
    if args.directions is not None:
        from fairmem.drift.defenses.defended import module_of
        from fairmem.drift.probes.direction_file import model_hash
        from fairmem.policy import folder_of

        folder = folder_of(args.model)
        if folder is None or module_of(model) is None:
            raise ConfigError(f"--directions: {args.model} does not run in this process; use a model folder")
        directions = read_directions(args.directions, model_hash(folder))
    chat, opened = _chat(args, model)
    settings = DefenseSettings(
        permits=read_permits(args.permits) if args.permits else {},
        rules=read_rules(args.rules) if args.rules else rules_of(scenarios),
        directions=tuple(directions),
        least_cosine=args.least_cosine,
        beta=args.beta,
        cite=args.cite,
        filter_tokens=64 if model.exact else 512,
    )
    base_url = args.base_url if args.filter_embedder.startswith("openai") else None
    resources = Resources(chat, build_embedder(args.filter_embedder, base_url or None), args.guard, args.untagged)
    return Setup(settings, resources, opened)


def _chat(args: argparse.Namespace, model: CallModel) -> tuple[Policy | None, Policy | None]:
    """(what writes text for the LLM filter, the same if it was opened for that alone)."""
    if args.filter_model:
        from fairmem.policy import open_ready

        policy = open_ready(args.filter_model, args.base_url, args.api_key_env)
        return policy, policy
    return getattr(model, "policy", None), None


def _run(args: argparse.Namespace) -> int:
    from fairmem.cli.drift_audit import chosen, numbers, open_audited
    from fairmem.drift.defend import plan_defend, report_defend, run_defend, spread
    from fairmem.drift.files import load_scenarios

    scenarios = spread(chosen(load_scenarios(args.scenarios), args.only), args.limit)
    seeds = numbers("--seeds", args.seeds)
    names = [] if args.defenses == "all" else [name.strip() for name in args.defenses.split(",")]
    model = open_audited(args)
    made: Setup | None = None
    try:
        made = setup(args, model, scenarios)
        plan = plan_defend(model, names, made.settings, made.resources, dose=args.dose)
        asked = run_defend(
            model, plan, scenarios, seeds, args.out, retry_failed=args.retry_failed, progress=show_progress()
        )
    finally:
        model.close()
        if made is not None:
            made.close()
    if sys.stderr.isatty():
        print(f"\r{asked} trials asked\033[K", file=sys.stderr)
    print(report_defend(args.out))
    return 0


def show_progress(before: str = "", what: str = "trials") -> Callable[[int, int], None]:
    """Shows on a terminal how far a run is."""

    def show(done: int, planned: int) -> None:
        if sys.stderr.isatty() and (done % 10 == 0 or done == planned):
            print(f"\r{before}{done} of {planned} {what}\033[K", end="", file=sys.stderr, flush=True)

    return show
