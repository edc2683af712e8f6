"""What the runs of a matrix found, as one versioned JSON value that the page and the figures are made from.

The unit of every interval is the seed: means with Student's t over seeds. A difference is taken per seed first,
question by question on the same test conversations (`fairmem.eval.compare`), and then over the seeds that both arms
have. A run that failed or is not finished is in no mean; it is named under `missing`. Groups that an earlier report has
and this one was not asked for are kept as they are.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairmem.config import load_recipe
from fairmem.errors import CheckpointError
from fairmem.eval import EvalResult, compare, summarise
from fairmem.memory import OpOutcome
from fairmem.metrics import sign_flip
from fairmem.policy import weights_digest
from fairmem.replace import replace_text
from fairmem.reproduce.frontier import GOAL, REFERENCE, Frontier, Point, frontier
from fairmem.reproduce.matrix import Arm, Group, Matrix
from fairmem.reproduce.recorded import FORMAT, VERSION, merged
from fairmem.reproduce.runs import Run
from fairmem.runlog import read_metrics
from fairmem.study import over_seeds

MEASURES = (
    *("f1", "gain", "m_fail", "share", "entries", "bank_tokens", "ops", "answer_tokens"),
    *("tokens", "steps", "waves", "calls", "seconds"),
)
"""Of a run: test F1, its rise by training, evidence lost (M-Fail), size of the memory as a share of the dialogue, in
entries and in tokens, operations that changed it per conversation, tokens that the answerer reads and writes per
question (where the test counts them), sampled tokens, training steps, sequential generate calls and model calls per
step, seconds of training."""
_RESAMPLES = 10
"""Only means are taken from evaluations here; their own bootstrap intervals are in each run's report."""


def report(
    matrix: Matrix,
    runs: Sequence[Run],
    failures: Mapping[Path, str],
    command: Sequence[str] = (),
    budget: int | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that is known of `runs`.

    Args:
        matrix: The groups that are reported.
        runs: Of the matrix (`plan_runs`), finished or not.
        failures: Folder -> why, of those that failed (`run_matrix`).
        command: Further words of the command that makes this report, as `--matrix FILE`.
        budget: Sampled tokens per run, where it is not the matrix's.
        earlier: The report that `runs` were planned with, whose other groups are kept.
    """
    measured = {run.folder: _measured(run) for run in runs if run.finished}
    groups: list[dict[str, Any]] = []
    for group in matrix.groups:
        own = [run for run in runs if any(name == group.name for name, _ in run.arms)]
        seeds = list(dict.fromkeys(run.seed for run in own))
        words = ["fairmem", "reproduce", "--only", group.name, "--seeds", ",".join(map(str, sorted(seeds)))]
        words += [*(["--budget", str(budget)] if budget else ()), *command]
        said = {"command": shlex.join(words), "budget": own[0].tokens, "seeds": sorted(seeds)}
        groups.append({**said, **_group(group, own, measured, failures)})
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": matrix.title,
        "recipe": matrix.recipe,
        "weights": weights_digest(load_recipe(matrix.recipe).model.path),
        "counts": matrix.counts,
        "groups": merged(groups, earlier, matrix.order),
    }


_CHANGING = tuple(f"{op} {OpOutcome.APPLIED.value}" for op in ("INSERT", "UPDATE", "DELETE", "CORE"))


def save(found: Mapping[str, Any], path: Path) -> None:
    """Write a report to `path` in one move."""
    replace_text(path, json.dumps(found, indent=1, allow_nan=False) + "\n")


def _group(
    group: Group, runs: Sequence[Run], measured: Mapping[Path, dict[str, Any]], failures: Mapping[Path, str]
) -> dict[str, Any]:
    of_arm = {arm.name: {run.seed: run for run in runs if (group.name, arm.name) in run.arms} for arm in group.arms}
    base = of_arm[group.baseline]
    arms = [_arm(arm, of_arm[arm.name], base, measured, failures) for arm in group.arms]
    points = [Point(a["name"], a["share"]["mean"], a["f1"]["mean"]) for a in arms if a["seeds"]]
    found: dict[str, Any] = {
        "name": group.name,
        "runs": len(runs),
        "finished": sum(run.finished for run in runs),
        "title": group.title,
        "asks": group.asks,
        "baseline": group.baseline,
        "frontier": None,
        "test": None if group.test is None else group.test.model_dump(mode="json"),
        "arms": arms,
    }
    if group.frontier and points:
        found["frontier"] = at_the_knee(frontier(points), of_arm, measured)
    return found


def at_the_knee(
    front: Frontier, of_arm: Mapping[str, Mapping[int, Run]], measured: Mapping[Path, dict[str, Any]]
) -> dict[str, Any]:
    """The front and its knee, and what is lost there against the arm with the highest F1."""
    best, knee = front.front[-1], front.knee  # a front rises in both
    pairs = [
        change
        for seed, run in of_arm[knee.name].items()
        if knee.name != best.name
        and seed in of_arm[best.name]
        and run.folder in measured
        and of_arm[best.name][seed].folder in measured
        and (change := _difference(of_arm[best.name][seed], run, measured)) is not None
    ]
    return {
        "front": [point.name for point in front.front],
        "knee": knee.name,
        "bends": front.bends,
        "share": knee.share,
        "best": best.name,
        "difference": over_seeds(pairs) if pairs else None,
        "goal": GOAL,
        "reference": REFERENCE,
    }


def _arm(
    arm: Arm,
    runs: Mapping[int, Run],
    base: Mapping[int, Run],
    measured: Mapping[Path, dict[str, Any]],
    failures: Mapping[Path, str],
) -> dict[str, Any]:
    first = next(iter(runs.values()))
    rows: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for seed, run in sorted(runs.items()):
        if run.folder not in measured:
            missing.append({"seed": seed, "reason": failures.get(run.folder, "not finished")})
            continue
        known = seed in base and base[seed].folder in measured and base[seed].folder != run.folder
        difference = _difference(base[seed], run, measured) if known else None
        rows.append({**measured[run.folder], "difference": difference})
    found: dict[str, Any] = {
        "name": arm.name,
        "about": arm.about,
        "recipe": first.recipe,
        "overrides": list(first.overrides),
        "weights": first.weights,
        "settings": dict(first.settings),
        "seeds": rows,
        "missing": missing,
        "difference": None,
    }
    for name in MEASURES:
        values = [row[name] for row in rows if row[name] is not None]
        found[name] = over_seeds(values) if values else None
    paired = [row["difference"] for row in rows if row["difference"] is not None]
    if paired:
        found["difference"] = {**over_seeds(paired), "p": sign_flip(paired)}
    return found


def _measured(run: Run) -> dict[str, Any]:
    """The measures of a finished run; None what it does not have."""
    if not run.here and run.row is not None:
        return {**run.row, "difference": None}
    start, end = (EvalResult.load(path) if path.is_file() else None for path in run.evaluations)
    if end is None:
        raise CheckpointError(f"{run.evaluations[1]}: the run is finished, but its evaluation is not there")
    after = summarise(end, _RESAMPLES)
    before = summarise(start, _RESAMPLES).overall.mean if start is not None else math.nan
    steps = read_metrics(run.folder / "metrics.jsonl")
    values: dict[str, float | None] = {
        "f1": after.overall.mean,
        "questions": after.overall.n,
        "unscored": after.overall.unscored,
        "gain": after.overall.mean - before,
        "m_fail": after.m_fail.mean,
        "share": after.size.share.mean,
        "entries": after.size.entries.mean,
        "bank_tokens": after.size.tokens.mean,
        "ops": _changes(end),
        "answer_tokens": _mean(
            [(a.prompt_tokens or 0) + (a.reply_tokens or 0) for a in end.answers if a.prompt_tokens]
        ),
        "tokens": steps[-1]["sampled_tokens_total"] if steps else 0,
        "steps": len(steps),
        "waves": _mean([row["waves"] for row in steps]),
        "calls": _mean([row["calls"] for row in steps]),
        "seconds": run.seconds,
    }
    plain = {name: value if value is not None and math.isfinite(value) else None for name, value in values.items()}
    return {"seed": run.seed, **plain}


def _changes(result: EvalResult) -> float | None:
    """Operations that changed a memory, per conversation."""
    built = [memory for memory in result.memories if not memory.failed]
    applied = [sum(n for name, n in memory.ops.items() if name in _CHANGING) for memory in built]
    return _mean([float(count) for count in applied])


def _difference(base: Run, run: Run, measured: Mapping[Path, Mapping[str, Any]]) -> float | None:
    """F1 of `run` less that of `base` over the questions both have scored; None if there are none, or nobody can tell.

    Of a run that only an earlier report tells of there are no single scores; where both have scored every question, the
    difference of the means is the mean of the differences.
    """
    if not (base.here and run.here):
        one, other = measured[base.folder], measured[run.folder]
        whole = one["questions"] == other["questions"] and not one["unscored"] and not other["unscored"]
        return other["f1"] - one["f1"] if whole else None
    first, second = (EvalResult.load(one.evaluations[1]) for one in (base, run))
    change = compare(first, second, _RESAMPLES).overall.difference
    return change if math.isfinite(change) else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
