"""The machine-readable report.

`report.json` (format `fairmem-report`, version 1) has `kind` "evaluation" or "run". nan becomes null. Its parts:

- interval: `{mean, low, high, n, conversations, unscored}`, 95 %, see `fairmem.eval.summary`;
- difference: `{difference, low, high, p, n, conversations, unscored}`, after minus before, paired;
- summary: `{score, categories: {name: interval}, memory: {entries, tokens, share}, m_fail, r_fail,
  retrieval: {evidence_recall, stored_recall, reciprocal_rank, shown, prompt_tokens},
  distillation: {kept, precision, recall, formed} if the answerer lists what it keeps,
  parse: {role: interval}, replies: {"role outcome": count}, ops: {"OP outcome": count}, asked, unscored,
  failures: {kind: count}, conversations, failed_conversations}`;
- comparison: `{score, categories, memory, m_fail, r_fail: differences, better, worse, unpaired}`.

evaluation: `{format, version, kind, what: <header of the evaluation>, summary, definitions: {signature: interval},
excluded: {file, questions, summary} or null}`; `definitions` scores the same answers by every definition.

run: `{format, version, kind, name, seed, data_seed, finished, steps: {done, planned}, signature,
before: summary, after: summary, comparison, training: {window, metrics: {name: {first, last}}, totals,
stages: [{name, steps, best_f1, m_fail, ending}]}, timing: {seconds, rollout_seconds, learn_seconds,
generated_tokens, effective_tokens_per_second, overall_tokens_per_second, rollout_efficiency},
recipe_changes: {key: {default, here}}}`; what a stopped run does not have is null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fairmem.eval.result import EvalHeader
from fairmem.eval.runs import Run, Timing, recipe_changes, stages_of, totals, trends
from fairmem.eval.summary import Comparison, Summary
from fairmem.metrics import Interval, PairedResult

REPORT_FORMAT = "fairmem-report"
REPORT_VERSION = 1
_VERSION = {"format": REPORT_FORMAT, "version": REPORT_VERSION}


def evaluation_to_json(
    header: EvalHeader,
    summary: Summary,
    definitions: Mapping[str, Interval],
    excluded: tuple[str, int, Summary] | None = None,
) -> dict[str, Any]:
    """The report of one evaluation; `excluded` is (file of bad keys, questions it took out, summary of the rest)."""
    left = None
    if excluded is not None:
        left = {"file": excluded[0], "questions": excluded[1], "summary": _summary(excluded[2])}
    return {
        **_VERSION,
        "kind": "evaluation",
        "what": header.model_dump(),
        "summary": _summary(summary),
        "definitions": {name: interval_to_json(interval) for name, interval in definitions.items()},
        "excluded": left,
    }


def run_to_json(
    run: Run, before: Summary | None, after: Summary | None, change: Comparison | None, timing: Timing
) -> dict[str, Any]:
    """The report of a run."""
    window, found = trends(run.metrics)
    result = run.after or run.before
    return {
        **_VERSION,
        "kind": "run",
        "name": run.recipe.name,
        "seed": run.recipe.seed,
        "data_seed": run.recipe.data.seed,
        "finished": run.finished,
        "steps": {"done": run.steps, "planned": run.recipe.steps},
        "signature": result.header.signature if result else None,
        "before": _summary(before) if before else None,
        "after": _summary(after) if after else None,
        "comparison": _comparison(change) if change else None,
        "training": {
            "window": window,
            "metrics": {trend.key: {"first": trend.first, "last": trend.last} for trend in found},
            "totals": totals(run.metrics),
            "stages": [asdict(stage) for stage in stages_of(run.metrics)],
        },
        "timing": {
            "seconds": timing.seconds,
            "rollout_seconds": timing.rollout,
            "learn_seconds": timing.learn,
            "generated_tokens": timing.generated,
            "effective_tokens_per_second": timing.effective,
            "overall_tokens_per_second": timing.overall,
            "rollout_efficiency": timing.efficiency,
        },
        "recipe_changes": {c.key: {"default": c.default, "here": c.here} for c in recipe_changes(run.recipe)},
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "score": interval_to_json(summary.overall),
        "categories": {name: interval_to_json(interval) for name, interval in summary.categories.items()},
        "memory": {name: interval_to_json(getattr(summary.size, name)) for name in ("entries", "tokens", "share")},
        "m_fail": interval_to_json(summary.m_fail),
        "r_fail": interval_to_json(summary.r_fail),
        "retrieval": {
            name: interval_to_json(getattr(summary.retrieval, name))
            for name in ("evidence_recall", "stored_recall", "reciprocal_rank", "shown", "prompt_tokens")
        },
        **_distillation(summary),
        "parse": {role: interval_to_json(interval) for role, interval in summary.parse.items()},
        "replies": summary.replies,
        "ops": summary.ops,
        "asked": summary.asked,
        "unscored": summary.unscored,
        "failures": summary.failures,
        "conversations": summary.conversations,
        "failed_conversations": summary.failed,
    }


def _distillation(summary: Summary) -> dict[str, Any]:
    """Under `distillation`, if the answerer was asked for a list."""
    found = summary.distillation
    if found is None:
        return {}
    names = ("kept", "precision", "recall", "formed")
    return {"distillation": {name: interval_to_json(getattr(found, name)) for name in names}}


def _comparison(change: Comparison) -> dict[str, Any]:
    return {
        "score": paired_to_json(change.overall),
        "categories": {name: paired_to_json(paired) for name, paired in change.categories.items()},
        "memory": {name: paired_to_json(getattr(change, name)) for name in ("entries", "tokens", "share")},
        "m_fail": paired_to_json(change.m_fail),
        "r_fail": paired_to_json(change.r_fail),
        "better": change.better,
        "worse": change.worse,
        "unpaired": change.unpaired,
    }


def interval_to_json(interval: Interval) -> dict[str, float | int | None]:
    """An interval as reports write it; nan becomes null."""
    parts = asdict(interval)
    return {
        **{name: _finite(parts[name]) for name in ("mean", "low", "high")},
        "n": interval.n,
        "conversations": interval.clusters,
        "unscored": interval.unscored,
    }


def paired_to_json(paired: PairedResult) -> dict[str, float | int | None]:
    """A paired difference as reports write it; nan becomes null."""
    parts = asdict(paired)
    return {
        **{name: _finite(parts[name]) for name in ("difference", "low", "high", "p")},
        "n": paired.n,
        "conversations": paired.clusters,
        "unscored": paired.unscored,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
