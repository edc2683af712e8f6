"""How good are the findings of `fairmem drift scan`? A sample to judge by hand, and what judged samples say.

    python benchmarks/scan_labels.py draw TOOLS.jsonl SAMPLE.json [--each 100] [--seed 0]
    python benchmarks/scan_labels.py score docs/results/scan_labels.json
    python benchmarks/scan_labels.py score docs/results/scan_labels.json --data TOOLS.jsonl

`draw` writes listed and unlisted parameters, shuffled, with `susceptible` and `reason` to fill in; what the scan says
of each is in a second file beside it, and `join` puts them together after judging. `score --data` scans the tools
again, so a change of the rules is measured on the same judgements (which is flattering if they led to the change).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fairmem.drift.scan import load_path, scan
from fairmem.drift.scan.quality import LABELS_FORMAT, LABELS_VERSION, draw, quality, read_labels


def draw_sample(tools: Path, out: Path, each: int, seed: int) -> None:
    """Write the sample to judge, and the verdicts beside it."""
    sample, listed, unlisted = draw(load_path(tools), each=each, seed=seed)
    rows = [
        {
            "server": one.tool.server,
            "tool": one.tool.name,
            "description": one.tool.description,
            "parameter": one.parameter.path,
            "pointer": one.parameter.pointer,
            "kind": one.parameter.kind,
            "values": list(one.parameter.values),
            "required": one.parameter.required,
            "about": one.parameter.description,
            "susceptible": None,
            "reason": "",
        }
        for one in sample
    ]
    out.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    verdicts = {"seed": seed, "listed": listed, "unlisted": unlisted, "rules": [one.rule for one in sample]}
    out.with_suffix(".verdicts.json").write_text(json.dumps(verdicts) + "\n", encoding="utf-8")


def join(judged: Path, out: Path) -> None:
    """Put judgements and verdicts together, without the texts of the tools."""
    verdicts = json.loads(judged.with_suffix(".verdicts.json").read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = json.loads(judged.read_text(encoding="utf-8"))["rows"]
    kept = ("server", "tool", "parameter", "pointer", "susceptible", "reason")
    joined = [
        {name: row[name] for name in kept} | {"rule": rule}
        for row, rule in zip(rows, verdicts.pop("rules"), strict=True)
    ]
    head = {"format": LABELS_FORMAT, "version": LABELS_VERSION, **verdicts}
    out.write_text(json.dumps({**head, "rows": joined}, indent=1) + "\n", encoding="utf-8")


def score(labels: Path, data: Path | None) -> None:
    """Print precision, miss rate and estimated recall."""
    judged = read_labels(labels)
    if data is not None:
        report = scan(load_path(data))
        now = {(f.server, f.tool, f.pointer): f.rule for f in report.listed}
        for row in judged["rows"]:
            row["rule"] = now.get((row["server"], row["tool"], row["pointer"]), "")
        judged |= {"listed": len(report.listed), "unlisted": report.parameters - len(report.listed)}
    found = quality(judged)
    print(f"precision  {found.precision}; not judged before: {found.precision_fresh}")
    print(f"miss rate  {found.missed}; not judged before: {found.missed_fresh}")
    print(
        f"recall     about {found.recall:.2f} [{found.recall_low:.2f}, {found.recall_high:.2f}] by the miss rate alone"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Judge the findings of fairmem drift scan.")
    actions = parser.add_subparsers(dest="action", required=True)
    drawing = actions.add_parser("draw")
    drawing.add_argument("tools", type=Path)
    drawing.add_argument("out", type=Path)
    drawing.add_argument("--each", type=int, default=100)
    drawing.add_argument("--seed", type=int, default=0)
    joining = actions.add_parser("join")
    joining.add_argument("judged", type=Path)
    joining.add_argument("out", type=Path)
    scoring = actions.add_parser("score")
    scoring.add_argument("labels", type=Path)
    scoring.add_argument("--data", type=Path)
    args = parser.parse_args()
    if args.action == "draw":
        draw_sample(args.tools, args.out, args.each, args.seed)
    elif args.action == "join":
        join(args.judged, args.out)
    else:
        score(args.labels, args.data)


if __name__ == "__main__":
    main()
