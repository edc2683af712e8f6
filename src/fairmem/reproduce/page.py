"""A report as a Markdown page: a table per group, arms that lose as plainly as arms that win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairmem.metrics import f1_signature
from fairmem.study import over_seeds

DIFFERENCES, FRONTIER = "reproduce-differences.png", "reproduce-frontier.png"
"""Names of the figures, beside the page."""

_HEAD = (
    "| arm | {score} | risen by | less the baseline's | verdict | by seed | p | evidence lost | memory / dialogue "
    "| less the baseline's | steps | calls per step | seconds |"
)
_COMMON_HEAD = (
    "| arm | recipe | {score} | risen by | less the baseline's | verdict | by seed | p | tokens of the memory "
    "| operations per conversation | tokens per answer | steps | seconds |"
)


def page(found: Mapping[str, Any]) -> str:
    """The page of a report (`fairmem.reproduce.report`)."""
    several = any(arm["recipe"] != found["recipe"] for group in found["groups"] for arm in group["arms"])
    who = "its trained roles" if found["counts"] == "trained" else "the roles that write memory, frozen or not,"
    others = "(or the recipe it names) " if several else ""
    lines = [
        f"# {found['title']}",
        "",
        f"Every arm is `{found['recipe']}` {others}with overrides, trained on the seeds of its group until {who} "
        "have sampled as many tokens as the group says, and tested on the same generated conversations, which no run "
        f"has seen. {_progress(found['groups'])}",
        "",
        "Intervals are 95 %, Student's t over seeds, not corrected for the number of comparisons. A difference is "
        "taken per seed, question by question, before it is averaged, that of two memories' sizes per seed; p is that "
        "of the sign-flip test over seeds, which with five seeds is 0.062 at the least. *Better* and *worse* mean that "
        "the interval lies on that side of 0; *risen by* is the difference to the model before training. *Calls per "
        "step* are sequential generate calls of the trained model, whatever the batch.",
        "",
        f"![Differences to the baseline of each group]({DIFFERENCES})",
    ]
    for group in found["groups"]:
        lines += ["", *_group(group)]
    return "\n".join(lines) + "\n"


def verdict(difference: Mapping[str, Any] | None) -> str:
    """What an interval says: better, worse, or that it does not say."""
    if difference is None or difference["low"] is None:
        return "no interval"
    if difference["low"] > 0:
        return "better"
    return "worse" if difference["high"] < 0 else "no difference shown"


def score_name(group: Mapping[str, Any]) -> str:
    """What its arms are scored by: `F1` or `EM`."""
    variant = group["arms"][0]["settings"]["reward"]["f1"] if group["test"] is None else group["test"]["score"]
    return str(f1_signature(variant)).partition("[")[0]


def _progress(groups: Sequence[Mapping[str, Any]]) -> str:
    done, planned = (sum(group[key] for group in groups) for key in ("finished", "runs"))
    return f"{done} of {planned} runs are finished."


def _group(group: Mapping[str, Any]) -> list[str]:
    head, row = (_HEAD, _row) if group["test"] is None else (_COMMON_HEAD, _common_row)
    head = head.format(score=score_name(group))
    lines = [f"## {group['title']}", "", group["asks"], "", *_tested(group["test"])]
    lines += [f"Each run samples {group['budget']:,} tokens. {_progress([group])}", ""]
    lines += ["```bash", group["command"], "```", "", head]
    lines += ["|---" * (head.count("|") - 1) + "|", *(row(group, arm) for arm in group["arms"])]
    lines += ["", *(f"- `{arm['name']}`: {arm['about']}" for arm in group["arms"])]
    missing = [(arm["name"], gap) for arm in group["arms"] for gap in arm["missing"]]
    if missing:
        lines += ["", *(f"- missing: `{name}`, seed {gap['seed']}: {gap['reason']}" for name, gap in missing)]
    if group["frontier"] is not None:
        front = ", ".join(f"`{name}`" for name in group["frontier"]["front"])
        lines += [
            "",
            f"![F1 against the size of the memory]({FRONTIER})",
            "",
            f"Best at their size: {front}. {_knee(group['frontier'])}",
            "",
            _size(group["frontier"]),
        ]
    return lines


def _knee(front: Mapping[str, Any]) -> str:
    line, knee = "the straight line from the smallest memory to the largest", f"`{front['knee']}`"
    if front["bends"]:
        return f"The knee, farthest above {line} with both axes scaled to their range, is {knee}."
    if len(front["front"]) == 1:
        return "No other arm has a smaller memory or a higher F1."
    return (
        f"No arm lies above {line}, so there is no knee: along the front smaller memories have lower means all the "
        f"way. Looked at instead is {knee}, the largest of these that keeps to the goal (the smallest, if none does)."
    )


def _size(front: Mapping[str, Any]) -> str:
    """How large the memory is at the knee, against the goal and the reference, and what that costs."""
    share, goal, lost = front["share"], front["goal"], front["difference"]
    size = (
        f"There the memory has {share:.0%} of the dialogue's tokens (of the trained model's tokenizer); the "
        f"published run's had {front['reference']:.0%}, in words. "
    )
    if front["best"] == front["knee"]:
        cost, equal = "No arm has a higher F1. ", True
    elif lost is None:
        cost, equal = f"No seed is finished in both this arm and `{front['best']}`, which has the highest F1. ", None
    else:
        cost = f"F1 less that of `{front['best']}`, the highest: {interval(lost, '+.3f')} (equal if it reaches 0). "
        equal = None if lost["high"] is None else lost["high"] >= 0
    if share > goal:
        return f"{size}{cost}The goal, at most {goal:.0%} at equal F1, is not met: the memory is larger."
    if equal is None:
        return f"{size}{cost}Whether the goal is met, at most {goal:.0%} at equal F1, takes more seeds to tell."
    met = "is met" if equal else "is not met: F1 is lower"
    return f"{size}{cost}The goal, at most {goal:.0%} at equal F1, {met}."


def _tested(test: Mapping[str, Any] | None) -> list[str]:
    if test is None:
        return []
    return [
        f"All are tested on the same {test['conversations']} conversations of {test['sessions']} sessions, whatever "
        f"their recipe tests, answered by `{test['answerer']}` and scored by `{test['score']}`. Operations are those "
        "that changed the memory; tokens per answer are what the answerer reads and writes for a question.",
        "",
    ]


def _compared(group: Mapping[str, Any], arm: Mapping[str, Any]) -> list[str]:
    """The cells that compare an arm with the baseline."""
    difference = arm["difference"]
    if arm["name"] == group["baseline"]:
        return ["baseline", "", "", ""]
    by_seed = " ".join(_number(row["difference"], "+.3f") for row in arm["seeds"])
    p = "" if difference is None else f"{difference['p']:.3f}"
    return [interval(difference, "+.3f"), verdict(difference), by_seed, p]


def _smaller(group: Mapping[str, Any], arm: Mapping[str, Any]) -> dict[str, Any] | None:
    """Size of the memory less that in the baseline, paired by seed; None for the baseline, and if no seed has both."""
    base = next(other for other in group["arms"] if other["name"] == group["baseline"])
    of_base = {row["seed"]: row["share"] for row in base["seeds"] if row["share"] is not None}
    pairs = [
        row["share"] - of_base[row["seed"]]
        for row in arm["seeds"]
        if arm is not base and row["seed"] in of_base and row["share"] is not None
    ]
    return dict(over_seeds(pairs)) if pairs else None


def _named(group: Mapping[str, Any], arm: Mapping[str, Any]) -> str:
    return f"**{arm['name']}**" if arm["name"] == group["baseline"] else str(arm["name"])


def _common_row(group: Mapping[str, Any], arm: Mapping[str, Any]) -> str:
    cells = [
        _named(group, arm),
        f"`{arm['recipe']}`",
        interval(arm["f1"], ".3f"),
        interval(arm["gain"], "+.3f"),
        *_compared(group, arm),
        *(interval(arm[name], form) for name, form in (("bank_tokens", ".0f"), ("ops", ".1f"))),
        interval(arm["answer_tokens"], ".0f"),
        *(_number(arm[name]["mean"] if arm[name] else None, ".0f") for name in ("steps", "seconds")),
    ]
    return "| " + " | ".join(cells) + " |"


def _row(group: Mapping[str, Any], arm: Mapping[str, Any]) -> str:
    cells = [
        _named(group, arm),
        interval(arm["f1"], ".3f"),
        interval(arm["gain"], "+.3f"),
        *_compared(group, arm),
        interval(arm["m_fail"], ".3f"),
        interval(arm["share"], ".3f"),
        interval(_smaller(group, arm), "+.3f"),
        *(_number(arm[name]["mean"] if arm[name] else None, ".0f") for name in ("steps", "waves", "seconds")),
    ]
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def interval(value: Mapping[str, Any] | None, form: str) -> str:
    """A mean with its interval, if it has one (`fairmem.study.over_seeds`), each number formatted by `form`."""
    if value is None:
        return "-"
    spread = "" if value["low"] is None else f" [{value['low']:{form}}, {value['high']:{form}}]"
    return f"{value['mean']:{form}}{spread}"
