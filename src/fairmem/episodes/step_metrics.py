"""The numbers of one training step: what the seed decides (`step_metrics`) and what the clock says (`step_timing`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from fairmem.credit import Credit, CreditDiagnostics, combined
from fairmem.episodes.group import RunReport
from fairmem.trace import Branch, EpisodeTree, ParseOutcome, QuizItem, Role

Number = float | int | None
_PARSED = {ParseOutcome.OK, ParseOutcome.EMPTY}
_LEARNED = (
    *("loss", "kl", "entropy", "grad_norm", "clip_fraction", "ratio_mean", "approx_kl", "sampler_gap", "rows"),
    *("value_loss", "explained_variance"),  # of a critic
    *("correction_mean", "correction_max", "correction_cut", "sampler_kl"),  # of a sampler that is not the learner
)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _scores(branches: Sequence[Branch]) -> list[float]:
    return [item.score for branch in branches for item in branch.quiz if item.score is not None]


def sampled_tokens(trees: Sequence[EpisodeTree], trained: Role | Literal["all"] = "all") -> int:
    """Tokens that the trained roles sampled for `trees`, in rollouts and rerollouts; what was reused was not sampled.

    Args:
        trees: Of one step.
        trained: `model.train`: the one role that learns, or all that write.
    """
    return sum(
        len(turn.ids)
        for tree in trees
        for branch in tree.branches
        if not branch.reused
        for turn in branch.turns
        if trained in ("all", turn.role)
    )


def step_metrics(
    trees: Sequence[EpisodeTree], credits: Sequence[Credit], report: RunReport, learned: Mapping[str, float]
) -> dict[str, Number]:
    """Metrics of one step over all its trees.

    `no_signal` is the share of the scored groups whose members all earned the same, so that nothing is learned of them.
    `f1` and `reward_local` are mean answer scores of the global and of the local memories; `bank_*` are means
    over the global branches; `parse_ok` is the share of replies in the expected form; `*_dropped` counts
    groups without contrast; `identical_groups` counts local groups whose members sampled the same tokens.
    """
    whole = [b for tree in trees for b in tree.branches if b.kind == "global" and not b.failed]
    local = [b for tree in trees for b in tree.branches if b.kind == "local" and not b.failed]
    turns = [turn for tree in trees for branch in tree.branches if not branch.reused for turn in branch.turns]
    parsed = [turn.parse in _PARSED for turn in turns if turn.parse is not None]
    ops = Counter(op.op for branch in whole for turn in branch.turns for op in turn.ops)
    counts = [credit.diagnostics for credit in credits]
    penalties = [r.parts.get("compression_penalty") for b in whole for r in b.rewards[-1:]]
    measured = {name for b in whole for r in b.rewards for name in r.parts} & {"calls", "compression", "content"}
    metrics: dict[str, Number] = {
        "f1": _mean(_scores(whole)),
        "reward_local": _mean(_scores(local)),
        "compression_penalty": _mean([p for p in penalties if p is not None]),
        "bank_entries": _mean([b.bank_entries for b in whole]),
        "bank_tokens": _mean([b.bank_tokens for b in whole]),
        "parse_ok": _mean([float(ok) for ok in parsed]),
        "failed_branches": sum(d.failed_branches for d in counts),
        "global_groups": sum(d.global_groups.formed for d in counts),
        "global_dropped": sum(d.global_groups.formed - d.global_groups.kept for d in counts),
        "local_groups": sum(d.local_groups.formed for d in counts),
        "local_dropped": sum(d.local_groups.formed - d.local_groups.kept for d in counts),
        "no_signal": _no_signal(counts),
        "identical_groups": report.identical_groups,
        "waves": report.waves.waves,
        "calls": report.waves.calls,
        "questions": report.quiz_items,
    }
    named = ("INSERT", "UPDATE", "DELETE", "NOOP", *(name for name in ("CORE", "SEARCH") if ops[name]))
    metrics |= {f"ops_{name.lower()}": ops[name] / len(whole) if whole else None for name in named}
    for name in sorted(measured):  # Mem-alpha's parts, as weighted, over all sessions
        values = [r.parts.get(name) for b in whole for r in b.rewards]
        metrics[f"reward_{name}"] = _mean([value for value in values if value is not None])
    metrics |= _distilled([item for branch in (*whole, *local) for item in branch.quiz])
    metrics |= _op_metrics(whole, report)
    each = [f"{role}_{name}" for role in ("extractor", "manager") for name in _LEARNED]  # of two learners
    metrics |= {name: learned[name] for name in (*_LEARNED, *each) if name in learned}
    return metrics


def _distilled(items: Sequence[QuizItem]) -> dict[str, Number]:
    """Of answers with distillation: entries kept, precision and recall against evidence, and well-formed lists."""
    asked = [item for item in items if item.keep is not None]
    if not asked:
        return {}
    return {
        "kept": _mean([float(len(item.kept)) for item in asked]),
        "keep_precision": _mean([share for item in asked if (share := item.keep_precision) is not None]),
        "keep_recall": _mean([share for item in asked if (share := item.keep_recall) is not None]),
        "keep_ok": _mean([float(item.keep in _PARSED) for item in asked]),
    }


def _no_signal(counts: Sequence[CreditDiagnostics]) -> float | None:
    kinds = [kind for count in counts for kind in (count.global_groups, count.local_groups)]
    formed = sum(kind.formed for kind in kinds)
    return sum(kind.zero_variance for kind in kinds) / formed if formed else None


def _op_metrics(whole: Sequence[Branch], report: RunReport) -> dict[str, Number]:
    """Where operations were valued: questions asked for that, and what one of each kind that changed memory gained."""
    if not report.op_items:
        return {}
    gains: dict[str, list[float]] = {"INSERT": [], "UPDATE": [], "DELETE": []}
    for branch in whole:
        known = {turn.id: turn for turn in branch.turns}
        for gain in branch.gains:
            gains.setdefault(known[gain.turn].ops[gain.op].op, []).append(combined(gain.parts))
    measured = {name: [value for value in values if value == value] for name, values in gains.items()}
    return {"op_questions": report.op_items} | {f"gain_{name.lower()}": _mean(v) for name, v in measured.items()}


def step_timing(
    started: float, rolled: float, learned: Mapping[str, float], report: RunReport, finished: float
) -> dict[str, Number]:
    """Seconds of the step's parts and generation speed.

    `tokens_per_second` counts tokens the trained model sampled over the seconds of the waves, memory and prompts
    between them included; `rollout_efficiency` is that as a fraction of the speed of the fullest wave;
    `quiz_seconds` is what the frozen answerer took.
    """
    waves = report.waves
    effective = waves.tokens / report.wave_seconds if report.wave_seconds else None
    return {
        "seconds": finished - started,
        "rollout_seconds": rolled - started,
        "wave_seconds": report.wave_seconds,
        "quiz_seconds": report.quiz_seconds,
        "learn_seconds": learned["seconds"],
        "generated_tokens": waves.tokens,
        "tokens_per_second": effective,
        "rollout_efficiency": effective / waves.peak if effective is not None and waves.peak else None,
        "learner_tokens_per_second": learned.get("tokens_per_second"),
    }
