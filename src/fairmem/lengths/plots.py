"""One figure of a length measurement: score, size, time per chunk and resident memory over the length.

matplotlib is loaded when it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairmem.errors import MissingExtraError

_INK, _LINE, _OTHER = "#1c2331", "#3f7fe8", "#e07b39"


def draw(result: Mapping[str, Any], png: Path) -> None:
    """Write the figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "train", "drawing the lengths") from error
    rows = sorted(result["lengths"].values(), key=lambda row: row["tokens"])
    figure: Any = Figure(figsize=(8.4, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2, sharex=True)
    _score(panels[0][0], rows)
    _line(panels[0][1], rows, "Entries in memory", "entries")
    _times(panels[1][0], rows)
    _line(panels[1][1], rows, "Peak resident memory, MB", "peak_mb")
    for axes in panels[1]:
        axes.set_xlabel("tokens of the stream", color=_INK)
    figure.savefig(png, format="png", dpi=150, facecolor="white", metadata={"Software": None})


def _score(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    drawn = [(row["tokens"], *row["score"]) for row in rows if None not in row["score"]]
    if drawn:
        where, means, lows, highs = zip(*drawn, strict=True)
        reach = [
            [mean - low for mean, low in zip(means, lows, strict=True)],
            [high - mean for mean, high in zip(means, highs, strict=True)],
        ]
        axes.errorbar(where, means, yerr=reach, color=_LINE, marker="o", markersize=4, capsize=3)
    axes.set_ylim(0, 1)
    _dress(axes, "F1, 95 % over pairs")


def _line(axes: Any, rows: Sequence[Mapping[str, Any]], title: str, key: str) -> None:
    axes.plot(_tokens(rows), [row[key] for row in rows], color=_LINE, marker="o", markersize=4)
    axes.set_ylim(bottom=0)
    _dress(axes, title)


def _times(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Of a chunk: everything, and what of it is the memory's; a model takes a hundred times as long as a memory."""
    for key, style, what in (("ms", "--", "everything"), ("memory_ms", "-", "memory")):
        for place, colour, when in ((0, _LINE, "first tenth"), (1, _OTHER, "last tenth")):
            values = [row[key][place] for row in rows]
            axes.plot(_tokens(rows), values, style, color=colour, marker="o", markersize=4, label=f"{what}, {when}")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=7, labelcolor=_INK)
    _dress(axes, "ms per chunk")


def _tokens(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    return [row["tokens"] for row in rows]


def _dress(axes: Any, title: str) -> None:
    axes.set_xscale("log")
    axes.set_title(title, loc="left", fontsize=9.5, color=_INK)
    axes.grid(axis="y", color="#808890", alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
