"""One figure of a lab result: signal-to-noise and bias over horizons and over interactions.

matplotlib is loaded when it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairmem.errors import MissingExtraError
from fairmem.lab.tables import mixed_cells

DRAWN = (
    "oracle",
    "grpo",
    "broadcast",
    "logo",
    "logo_half",
    "logo_half_trajectory",
    "local_end_common",
    "counterfactual",
)
"""Rules in the figure, if they were run; all of the result if none of these was."""
_COLOURS = ("#1c2331", "#3f7fe8", "#8fa3b8", "#e07b39", "#c23b5a", "#c9a227", "#5aa469", "#8a5cd1")


def draw(result: Mapping[str, Any], png: Path) -> None:
    """Write the figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "train", "drawing the lab's figure") from error
    curve = mixed_cells(result, horizon=None)
    sweep = sorted(mixed_cells(result, interaction=None), key=lambda cell: cell["interaction"])
    first, middle = curve[0]["interaction"], sweep[0]["horizon"]
    lengths = [cell["horizon"] for cell in curve]
    names = [name for name in DRAWN if name in result["rules"]] or list(result["rules"])

    figure: Any = Figure(figsize=(9.6, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2)
    for column, (cells, axis, label) in enumerate(
        [
            (curve, "horizon", f"sessions (interaction {first:g})"),
            (sweep, "interaction", f"interaction ({middle} sessions)"),
        ]
    ):
        _lines(panels[0][column], cells, axis, "snr_per_kilotoken", names)
        _lines(panels[1][column], cells, axis, "bias", names)
        panels[0][column].set_yscale("log")
        panels[0][column].set_title("Signal-to-noise per 1,000 sampled tokens", loc="left", fontsize=9.5)
        panels[1][column].set_title("Bias (0: right direction, 1: none of it)", loc="left", fontsize=9.5)
        panels[1][column].set_ylim(-0.03, 1.03)
        panels[1][column].set_xlabel(label)
    for row in panels:
        row[0].set_xscale("log", base=2)
        row[0].set_xticks(lengths, [str(length) for length in lengths])
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    figure.savefig(png, format="png", dpi=130, facecolor="white", metadata={"Software": None})


def _lines(axes: Any, cells: Sequence[Mapping[str, Any]], axis: str, measure: str, names: Sequence[str]) -> None:
    """A line per rule with its intervals; points that a logarithm cannot show are left out."""
    for place, name in enumerate(names):
        points = [(cell[axis], *cell["results"][name][measure]) for cell in cells]
        shown = [p for p in points if p[1] is not None and (measure == "bias" or p[1] > 0)]
        if not shown:
            continue
        where, values, lows, highs = zip(*shown, strict=True)
        colour = _COLOURS[place % len(_COLOURS)]
        axes.plot(where, values, marker="o", markersize=3.5, linewidth=1.5, color=colour, label=name)
        if None not in (*lows, *highs):
            floor = [value / 10 if measure != "bias" else 0.0 for value in values]
            axes.fill_between(
                where,
                [max(low, least) for low, least in zip(lows, floor, strict=True)],
                highs,
                color=colour,
                alpha=0.12,
            )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color="#808890", alpha=0.25, linewidth=0.6)
