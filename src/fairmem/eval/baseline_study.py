"""Every memory on the village test and on LoCoMo, with the small model as the one answerer: run, kept, and as Markdown.

    python -m fairmem.eval.baseline_study --locomo locomo_dev3.json --trained runs/memory_r2_small/model

Writes `baselines.json` (format `fairmem-baselines`, version 1: `{settings, weights, trained, datasets: {name:
{command, dataset, conversations, questions, content}}}`, `content` as in `memories.json`) and `baselines.md`, which is
made from it alone; a test holds that the two agree and that they are of the model that ships. The evaluations are
kept in `--work`, so a stopped study goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fairmem.errors import CheckpointError
from fairmem.eval.evaluation import EvalRequest, evaluate_dataset
from fairmem.eval.memories_page import memories_content
from fairmem.eval.result import EvalResult
from fairmem.policy import weights_digest

FORMAT, VERSION = "fairmem-baselines", 1
MEMORIES = ("none", "full", "last", "bm25", "dense", "oracle", "ours")
"""What the small model can work with; a summary needs one that follows instructions."""
TRAINED = "ours, trained"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is run: village conversations and sessions, tokens of entries shown, questions per conversation (0: all)."""

    conversations: int = 24
    sessions: int = 8
    budget: int = 2000
    questions: int = 0
    seed: int = 0


def run_study(
    work: Path,
    setting: Setting,
    locomo: Path | None = None,
    trained: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run the evaluations in `work`, or go on with those there, and return the content of `baselines.json`.

    Args:
        work: Folder of the evaluations.
        setting: What is run.
        locomo: The user's copy of LoCoMo; None leaves it out.
        trained: A model that `fairmem train` made from the bundled one, as a further row.
        progress: Told what is done.

    Raises:
        FairmemError: as `fairmem eval`.
    """
    village = EvalRequest("village", limit=setting.conversations, sessions=setting.sessions)
    asked = {"village": village, **({"locomo": EvalRequest("locomo", locomo)} if locomo is not None else {})}
    return {
        "format": FORMAT,
        "version": VERSION,
        "settings": {"budget": setting.budget, "questions": setting.questions, "seed": setting.seed},
        "weights": weights_digest("bundled"),
        "trained": trained,
        "datasets": {
            name: _dataset(request, work / name, setting, trained, progress) for name, request in asked.items()
        },
    }


def _dataset(
    request: EvalRequest,
    work: Path,
    setting: Setting,
    trained: str | None,
    progress: Callable[[str], None] | None,
) -> dict[str, Any]:
    shared = replace(
        request, answerer="bundled", budget=setting.budget, questions=setting.questions or None, seed=setting.seed
    )
    evaluate_dataset(replace(shared, memories=MEMORIES, out=work), progress)
    results = {name: EvalResult.load(work / name / "eval.jsonl") for name in MEMORIES}
    if trained is not None:
        evaluate_dataset(replace(shared, model=trained, out=work / "trained"), progress)
        results[TRAINED] = EvalResult.load(work / "trained" / "eval.jsonl")
    first = results["ours"]
    return {
        "command": _command(shared),
        "dataset": first.header.dataset,
        "conversations": len(first.memories),
        "questions": len(first.answers),
        "content": memories_content(results, {}),
    }


def _command(asked: EvalRequest) -> str:
    """The `fairmem eval` that makes the table of a dataset."""
    words = ["fairmem", "eval", asked.dataset]
    words += ["--data", asked.path.name] if asked.path is not None else []
    words += ["--memory", ",".join(MEMORIES), "--budget", str(asked.budget), "--seed", str(asked.seed)]
    for option, value in (("--limit", asked.limit), ("--sessions", asked.sessions), ("--questions", asked.questions)):
        words += [option, str(value)] if value else []
    return " ".join(words)


def study_page(study: Mapping[str, Any]) -> str:
    """`baselines.md`.

    Raises:
        CheckpointError: not the content of a `baselines.json` of this version.
    """
    if (study.get("format"), study.get("version")) != (FORMAT, VERSION):
        raise CheckpointError(
            f"expected {FORMAT} version {VERSION}, found {study.get('format')} {study.get('version')}"
        )
    budget = study["settings"]["budget"]
    parts = [
        "# Baselines",
        "Made by `python -m fairmem.eval.baseline_study` from [baselines.json](baselines.json); a test holds it. One "
        f"answerer for all rows, the bundled model, and at most {budget:,} tokens of entries shown. It was trained on "
        "entries, so it answers badly from raw turns: `oracle` shows by how much, and rows of turns are a lower bound. "
        "How to run the same with an answerer of your own: [evaluate](../guide/evaluate.md#baselines).",
    ]
    for found in study["datasets"].values():
        parts += [
            f"## {found['dataset']}",
            f"{found['conversations']} conversations, {found['questions']:,} questions; "
            f"{found['content']['signature']}. 95 % intervals treat conversations as the units drawn.",
            f"```bash\n{found['command']}\n```",
            _table(found["content"]["memories"]),
        ]
    return "\n\n".join(parts) + "\n"


def _table(memories: Mapping[str, Any]) -> str:
    columns = ("memory", "score", "evidence recall", "prompt tokens", "unscored", "against ours", "p")
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for name, found in memories.items():
        change = found["against_ours"]
        against = "–" if change is None else _interval(change, "difference", "+")
        p = "–" if change is None or change["p"] is None else f"{change['p']:.3f}"
        tokens = found["prompt_tokens"]["mean"]
        cells = (
            name,
            _interval(found["score"], "mean"),
            _number(found["evidence_recall"]["mean"]),
            "–" if tokens is None else f"{tokens:,.0f}",
            str(found["unscored"]),
            against,
            p,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"


def _interval(found: Mapping[str, Any], key: str, sign: str = "") -> str:
    spread = "" if found["low"] is None else f" [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"
    return f"{_number(found[key], sign)}{spread}"


def main(words: Sequence[str] | None = None) -> int:
    """Run the study and write its two files."""
    parser = argparse.ArgumentParser(
        prog="python -m fairmem.eval.baseline_study", description="Tables of all memories with the small model."
    )
    parser.add_argument("--locomo", type=Path, help="copy of LoCoMo (left out: village alone)")
    parser.add_argument("--trained", help="model that fairmem train made, as a further row")
    parser.add_argument("--work", type=Path, default=Path("runs/baselines"), help="folder of the evaluations")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder of the two files")
    for name, value in (("conversations", 24), ("sessions", 8), ("budget", 2000), ("questions", 0), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args(words)
    setting = Setting(args.conversations, args.sessions, args.budget, args.questions, args.seed)
    study = run_study(args.work, setting, args.locomo, args.trained, lambda line: print(line, file=sys.stderr))
    args.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(study, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    for name, body in (("baselines.json", text), ("baselines.md", study_page(study))):
        partial = args.out / f"{name}.partial"
        partial.write_text(body, encoding="utf-8")
        partial.replace(args.out / name)
    print(study_page(study), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
