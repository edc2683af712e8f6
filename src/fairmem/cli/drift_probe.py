"""`fairmem drift probe`: what memory does inside a local model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError


def register(actions: Any) -> None:
    """Add the action to `actions`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "probe",
        help="look inside a local model: directions, causes, attention",
        description="Compare what private memory does to the hidden states of a local model with what an explicit "
        "order does, take that direction out and put it in, and see where the model looks. Writes a report and a "
        "direction per bias.",
        epilog="Example: fairmem drift probe --model /models/qwen2.5-1.5b-instruct --out probe",
    )
    parser.add_argument("--model", metavar="FOLDER", required=True, help="model folder, hf:PATH or bundled")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder of the report")
    parser.add_argument("--scenarios", metavar="PATH", type=Path, help="file or folder (default: those that ship)")
    parser.add_argument("--only", metavar="NAME,NAME", default="", help="only these biases, domains, strata or ids")
    parser.add_argument(
        "--per-cell", metavar="N", type=int, default=1, help="scenarios per bias and domain (default: 1)"
    )
    parser.add_argument("--memories", metavar="N", type=int, default=8, help="memories in each arm (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of bootstrap, permutations and random directions")
    parser.set_defaults(run=_run, interrupted=lambda _: "no report was made")


def _run(args: argparse.Namespace) -> int:
    from fairmem.cli.drift_audit import chosen
    from fairmem.drift.files import load_scenarios
    from fairmem.drift.probes.direction_file import model_hash
    from fairmem.drift.probes.probe import ProbeConfig, per_cell, probe_model
    from fairmem.drift.probes.report import write_report
    from fairmem.policy import folder_of, open_policy

    if args.per_cell < 1:
        raise ConfigError(f"--per-cell: found {args.per_cell}, expected at least 1")
    folder = folder_of(args.model)
    if folder is None:
        raise ConfigError(f"--model {args.model}: a probe looks inside a model, so it needs a model folder or bundled")
    scenarios = per_cell(chosen(load_scenarios(args.scenarios), args.only), args.per_cell)
    config = ProbeConfig(memories=args.memories, seed=args.seed)
    policy = open_policy(args.model)

    from fairmem.policy.hf import HFPolicy

    assert isinstance(policy, HFPolicy)
    found = probe_model(policy, scenarios, config, model_hash=model_hash(folder), progress=_tell)
    print(write_report(found, args.out))
    return 0


def _tell(stage: str) -> None:
    print(f"fairmem: {stage}", file=sys.stderr)
