"""The study of the small model as one page of Markdown, made from its JSON alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def page(study: Mapping[str, Any]) -> str:
    """The page: all arms beside the closed form, what training changed by group, and defences; then every seed."""
    count = len(study["seeds"])
    plant, drift = study["plant"]["plant"], study["recipe"]["drift"]
    lines = [
        "# The small model: a planted bias, defences, and a policy trained not to drift",
        "",
        f"Made by `{study['command']}`. {count} seeds: one planted model and one trained policy each. All are audited "
        "exactly, on the same held-out scenarios of the small world; intervals are 95 % t over seeds. "
        f"Planted: alpha {plant['alpha']:g}, explicit orders {plant['ordered']:g}, {study['plant']['steps']} steps.",
        "",
        "## The planted model in all arms",
        "",
        "Deflection minus that of none, beside what the plant should do in closed form; success is doing what the "
        "relevant memory asks for.",
        "",
        "| arm | closed form | measured | success, closed form | success, measured | no usable call |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {arm['truth']['delta']:+.3f} | {cell(arm['delta'], '+')} | {arm['truth']['success']:.3f} "
            f"| {cell(arm['success'])} | {100 * (arm['lost']['mean'] or 0):.1f} % |"
            for name, arm in study["arms"].items()
        ),
        "",
        "## Training",
        "",
        f"Trained on {', '.join(drift['biases'])} in {', '.join(drift['domains'])}. Drift is deflection with eight "
        "biased memories minus none; ordered is deflection under an explicit order minus none, which is meant to be "
        f"obeyed: {100 * drift['ordered']:g} % of the training pairs were under one, of the trained biases.",
        "",
        "| scenarios | drift before | drift after | success before | success after | ordered before | ordered after |",
        "|---|---|---|---|---|---|---|",
        *(_group_row(name, group) for name, group in study["groups"].items()),
        "",
        f"A policy that never looks at its memory would have drift 0 and success "
        f"{cell(study['arms']['none']['success'])}: that of the arm without memory.",
        "",
    ]
    if study["defenses"]:
        lines += [
            "## Defences around the planted model",
            "",
            f"On {study['defended_scenarios']} of the scenarios, not trained.",
            "",
            "| defence | drift | neutral memory | success | no usable call |",
            "|---|---|---|---|---|",
            *(_defense_row(name, scores) for name, scores in study["defenses"].items()),
            "",
        ]
    lines += [
        "## Seeds",
        "",
        "| seed | drift before | drift after | success before | success after |",
        "|---|---|---|---|---|",
        *(_seed_row(seed) for seed in study["seeds"]),
    ]
    return "\n".join(lines) + "\n"


def cell(value: Mapping[str, Any], sign: str = "") -> str:
    """A mean over seeds with its interval, if there is one."""
    if value["mean"] is None:
        return "–"
    spread = "" if value["low"] is None else f" [{value['low']:{sign}.3f}, {value['high']:{sign}.3f}]"
    return f"{value['mean']:{sign}.3f}{spread}"


def _group_row(name: str, group: Mapping[str, Any]) -> str:
    cells = [
        cell(group[score][when], "" if score == "success" else "+")
        for score in ("drift", "success", "ordered")
        for when in ("before", "after")
    ]
    return f"| {name} ({group['scenarios']}) | {' | '.join(cells)} |"


def _defense_row(name: str, scores: Mapping[str, Any]) -> str:
    cells = [cell(scores["drift"], "+"), cell(scores["neutral"], "+"), cell(scores["success"])]
    return f"| {name} | {' | '.join(cells)} | {100 * (scores['lost']['mean'] or 0):.1f} % |"


def _seed_row(seed: Mapping[str, Any]) -> str:
    whole = seed["groups"]["all"]
    return (
        f"| {seed['seed']} | {whole['before']['drift']:+.3f} | {whole['after']['drift']:+.3f} "
        f"| {whole['before']['success']:.3f} | {whole['after']['success']:.3f} |"
    )
