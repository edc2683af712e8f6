"""One recipe over several seeds: does the improvement hold, and how much does it vary?

Each seed is a training run of its own, in its own process and folder (`NAME-sSEED`), so a study that was stopped goes
on where it was. The result is one JSON file with every seed's scores, and a Markdown table made from it.
All seeds are tested on the same conversations (`data.seed`), so differences are between runs, not test sets; the model
they begin with is evaluated once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fairmem.config import RESOLVED, SMALL_WORLD, Recipe, load_recipe
from fairmem.errors import ConfigError, DataError
from fairmem.eval import EvalResult, compare, summarise
from fairmem.eval.starts import keep_start, lend_start, start_file
from fairmem.metrics import Interval, clustered_mean, f1_signature
from fairmem.policy import weights_digest
from fairmem.replace import replace_text
from fairmem.side_by_side import run_command

FORMAT = "fairmem-seeds"
VERSION = 1


@dataclass(frozen=True, slots=True)
class SeedResult:
    """One seed: scores and memory sizes before and after, and the paired difference by conversation."""

    seed: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    entries_before: float
    entries_after: float
    tokens_before: float
    tokens_after: float
    categories_before: dict[str, float]
    categories_after: dict[str, float]
    seconds: float


def run_seeds(
    recipe: str, overrides: Sequence[str], seeds: Sequence[int], out: Path, jobs: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Train every seed that has no result yet, `jobs` at a time; returns the study, also written to `out`.

    Raises:
        ConfigError: a wrong recipe, a repeated seed, or `jobs` below 1.
        DataError: a run ended without a result; its log is named.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs is {jobs}, expected at least 1")
    if len(set(seeds)) != len(seeds) or not seeds:
        raise ConfigError(f"--seeds is {','.join(map(str, seeds))}, expected different integers, as in 0,1,2,3,4")
    name = load_recipe(recipe, overrides).name
    if load_recipe(recipe, overrides).data.source == SMALL_WORLD:
        raise ConfigError(f"{recipe} trains a tool user, which answers no questions; use fairmem drift study")

    def train(seed: int) -> SeedResult:
        return train_seed(recipe, overrides, seed, out / f"{name}-s{seed}", jobs, say)

    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(train, seeds))
    study = summarise_seeds(load_recipe(recipe, overrides), overrides, results)
    replace_text(out / f"{name}-seeds.json", json.dumps(study, indent=2) + "\n")
    replace_text(out / f"{name}-seeds.md", seeds_table(study))
    return study


def finished(folder: Path) -> bool:
    """Whether the training run in `folder` is over, with its evaluation after training written."""
    return (folder / "eval_after.jsonl").is_file()


def train_seed(
    recipe: str, overrides: Sequence[str], seed: int, folder: Path, jobs: int, say: Callable[[str], None]
) -> SeedResult:
    """The result of one seed in `folder`: trained in a process of its own, gone on with, or read if it is finished.

    Args:
        recipe: A recipe file, or the name of a shipped one.
        overrides: Of it, as `key=value`.
        seed: Of the run.
        folder: Of the run; its name becomes the run's.
        jobs: How many such runs share the machine's cores.
        say: Takes a line at the beginning and at the end.

    Raises:
        DataError: the run ended without a result; its log is named.
    """
    if not finished(folder):
        kept = start_file(load_recipe(recipe, overrides), folder.parent)
        lent = lend_start(kept, folder, seed)
        say(f"seed {seed}: training in {folder}{', its start is evaluated' if lent else ''}")
        _train(recipe, overrides, seed, folder, jobs)
        if not lent:
            keep_start(kept, folder)
    result = _read(seed, folder)
    say(f"seed {seed}: score {result.before:.3f} -> {result.after:.3f}")
    return result


def _train(recipe: str, overrides: Sequence[str], seed: int, folder: Path, jobs: int) -> None:
    words = ["train", recipe, *overrides, f"seed={seed}", "--name", folder.name, "--out", str(folder.parent)]
    if (folder / RESOLVED).is_file():
        words.append("--resume")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    status = run_command(words, log, threads)
    if status != 0:
        lines = log.read_text(encoding="utf-8").strip().splitlines()
        raise DataError(f"seed {seed} ended with status {status}: {lines[-1] if lines else 'no output'} ({log})")


def _read(seed: int, folder: Path) -> SeedResult:
    before = EvalResult.load(folder / "eval_before.jsonl")
    after = EvalResult.load(folder / "eval_after.jsonl")
    first, last = summarise(before), summarise(after)
    change = compare(before, after).overall
    timing = folder / "timing.jsonl"
    rows = [json.loads(line) for line in timing.read_text(encoding="utf-8").splitlines()] if timing.is_file() else []
    return SeedResult(
        seed=seed,
        before=first.overall.mean,
        after=last.overall.mean,
        difference=change.difference,
        low=change.low,
        high=change.high,
        entries_before=first.size.entries.mean,
        entries_after=last.size.entries.mean,
        tokens_before=first.size.tokens.mean,
        tokens_after=last.size.tokens.mean,
        categories_before={name: score.mean for name, score in first.categories.items()},
        categories_after={name: score.mean for name, score in last.categories.items()},
        seconds=sum(row.get("seconds") or 0.0 for row in rows),
    )


def over_seeds(values: Sequence[float]) -> dict[str, float | int | None]:
    """`mean`, `low`, `high` (Student's t, 95 %; None with one seed) and `n` of one value per seed."""
    interval: Interval = clustered_mean(list(values), list(range(len(values))), method="t")
    finite = len(values) > 1
    return {
        "mean": interval.mean,
        "low": interval.low if finite else None,
        "high": interval.high if finite else None,
        "n": len(values),
    }


def summarise_seeds(recipe: Recipe, overrides: Sequence[str], results: Sequence[SeedResult]) -> dict[str, Any]:
    """The study as plain data: every seed, and means over seeds with Student-t intervals (n = seeds)."""
    names = list(results[0].categories_before)
    words = ["fairmem", "seeds", recipe.name, *overrides, "--seeds", ",".join(str(r.seed) for r in results)]
    return {
        "format": FORMAT,
        "version": VERSION,
        "recipe": recipe.name,
        "command": " ".join(words),
        "test_conversations": recipe.data.test_conversations,
        "steps": recipe.steps,
        "settings": recipe.model_dump(mode="json", exclude={"seed"}),
        "weights": weights_digest(recipe.model.path),
        "signature": str(f1_signature(recipe.reward.f1)),
        "before": over_seeds([r.before for r in results]),
        "after": over_seeds([r.after for r in results]),
        "difference": over_seeds([r.difference for r in results]),
        "categories": {
            name: {
                "before": over_seeds([r.categories_before[name] for r in results]),
                "after": over_seeds([r.categories_after[name] for r in results]),
                "difference": over_seeds([r.categories_after[name] - r.categories_before[name] for r in results]),
            }
            for name in names
        },
        "entries": {
            "before": over_seeds([r.entries_before for r in results]),
            "after": over_seeds([r.entries_after for r in results]),
        },
        "seeds": [asdict(result) for result in results],
    }


def seeds_table(study: dict[str, Any]) -> str:
    """The study as a Markdown table: categories, then seeds."""

    def cell(value: dict[str, Any], sign: str = "") -> str:
        spread = "" if value["low"] is None else f" [{value['low']:{sign}.3f}, {value['high']:{sign}.3f}]"
        return f"{value['mean']:{sign}.3f}{spread}"

    def row(name: str, part: dict[str, Any]) -> str:
        return f"| {name} | {cell(part['before'])} | {cell(part['after'])} | {cell(part['difference'], '+')} |"

    count = study["difference"]["n"]
    score = str(study.get("signature", "F1")).partition("[")[0]  # studies before it was kept were of F1
    lines = [
        f"Test {score} before and after {study['steps']} steps, mean over {count} seeds with 95 % t interval over "
        f"seeds, {study['test_conversations']} held-out conversations:",
        "",
        "| questions | before | after | difference |",
        "|---|---|---|---|",
        row("**all**", study),
        *(row(name.replace("_", " "), part) for name, part in study["categories"].items()),
        "",
        "| seed | before | after | difference by conversation | entries | training seconds |",
        "|---|---|---|---|---|---|",
        *(
            f"| {r['seed']} | {r['before']:.3f} | {r['after']:.3f} | {r['difference']:+.3f} "
            f"[{r['low']:+.3f}, {r['high']:+.3f}] | {r['entries_before']:.1f} -> {r['entries_after']:.1f} "
            f"| {r['seconds']:.0f} |"
            for r in study["seeds"]
        ),
    ]
    return "\n".join(lines) + "\n"
