"""Two figures of a report: differences to each group's baseline, and F1 against the size of the memory.

matplotlib is loaded when one is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairmem.errors import MissingExtraError
from fairmem.reproduce.page import score_name

_INK, _LINE, _WIN, _LOSS = "#1c2331", "#8fa3b8", "#3f7fe8", "#c23b5a"


def draw_differences(found: Mapping[str, Any], png: Path) -> None:
    """Write one panel per group: every arm's F1 less its baseline's, with the interval over seeds.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    groups = found["groups"]
    heights = [max(1, len(group["arms"]) - 1) + 1.2 for group in groups]
    figure = _figure(7.6, 0.32 * sum(heights) + 0.5)
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, group in zip(panels, groups, strict=True):
        arms = [arm for arm in group["arms"] if arm["name"] != group["baseline"]]
        for place, arm in enumerate(arms):
            _draw_difference(axes, place, arm["difference"])
        axes.axvline(0, color=_INK, linewidth=0.8)
        axes.set_yticks(range(len(arms)), [arm["name"] for arm in arms], fontsize=8)
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.set_title(
            f"{group['title']}: {score_name(group)} less that of {group['baseline']}", loc="left", fontsize=9
        )
        _plain(axes)
    figure.savefig(png, format="png", dpi=130, facecolor="white", metadata={"Software": None})


def draw_frontier(found: Mapping[str, Any], png: Path) -> bool:
    """Write F1 against the size of the memory for the groups that ask for it; whether there is anything to draw.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    groups = [group for group in found["groups"] if group["frontier"] is not None]
    if not groups:
        return False
    figure = _figure(6.4, 4.2 * len(groups))
    for axes, group in zip(figure.subplots(len(groups), 1, squeeze=False)[:, 0], groups, strict=True):
        known = {arm["name"]: arm for arm in group["arms"] if arm["seeds"]}
        for name, arm in known.items():
            share, f1 = arm["share"], arm["f1"]
            axes.errorbar(
                share["mean"], f1["mean"], xerr=_reach(share), yerr=_reach(f1), fmt="o", color=_LINE, markersize=4,
                elinewidth=0.8,
            )  # fmt: skip
            axes.annotate(name, (share["mean"], f1["mean"]), (4, 4), textcoords="offset points", fontsize=7.5)
        front = [known[name] for name in group["frontier"]["front"]]
        axes.plot([a["share"]["mean"] for a in front], [a["f1"]["mean"] for a in front], color=_WIN, linewidth=1.2)
        knee = known[group["frontier"]["knee"]]
        axes.plot(
            [knee["share"]["mean"]],
            [knee["f1"]["mean"]],
            "o",
            markersize=11,
            mfc="none",
            mec=_LOSS,
            label="knee" if group["frontier"]["bends"] else "looked at",
        )
        for name, line in (("goal", "--"), ("reference", ":")):
            axes.axvline(group["frontier"][name], color=_LINE, linestyle=line, linewidth=1, label=name)
        axes.set_xlabel("tokens of the memory / tokens of the dialogue")
        axes.set_ylabel("test F1")
        axes.legend(frameon=False, fontsize=8)
        _plain(axes)
    figure.savefig(png, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    return True


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "train", "drawing the figures of a report") from error
    figure: Any = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_difference(axes: Any, place: int, difference: Mapping[str, Any] | None) -> None:
    if difference is None:
        axes.text(0, place, " no result", va="center", fontsize=8, color=_INK)
        return
    low, high = difference["low"], difference["high"]
    decided = low is not None and (low > 0 or high < 0)
    colour = (_WIN if difference["mean"] > 0 else _LOSS) if decided else _LINE
    axes.errorbar(
        [difference["mean"]], [place], xerr=_reach(difference), fmt="o", color=colour, markersize=4.5, capsize=3
    )


def _reach(value: Mapping[str, Any]) -> list[list[float]] | None:
    if value["low"] is None:
        return None
    return [[value["mean"] - value["low"]], [value["high"] - value["mean"]]]


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color="#808890", alpha=0.25, linewidth=0.6)
