"""The learning curve of a run, as PNG and as an SVG element for a page. matplotlib is loaded when one is drawn."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fairmem.errors import MissingExtraError
from fairmem.eval.runs import finite
from fairmem.metrics import Interval

_INK = "#1c2331"  # Text and axes; unlike any other colour here, so that SVG can take the page's own ink instead.
_LINE = "#3f7fe8"
_OTHER = "#e07b39"
_PANELS = (
    ("f1", "F1 of training rollouts"),
    ("bank_entries", "Entries per memory"),
    ("kl", "KL to the reference (nats per token)"),
)
_SMOOTH_FROM = 12  # With fewer steps a running mean hides more than it shows.


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A held-out score to mark in the F1 panel: after how many steps, and the mean with its interval."""

    step: int
    score: Interval


def drawable(metrics: Sequence[Mapping[str, Any]]) -> bool:
    """Whether `metrics` holds anything that `learning_curve` draws."""
    return bool(_panels(metrics))


def learning_curve(
    metrics: Sequence[Mapping[str, Any]], held_out: Sequence[HeldOut] = (), png: Path | None = None
) -> str:
    """Draw F1, memory size and KL over the steps of `metrics` (lines of `metrics.jsonl`).

    Writes a PNG to `png` if given. Returns an SVG element without names of outside resources, whose text takes
    the colour of the page; "" if `metrics` holds none of the three.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    panels = _panels(metrics)
    if not panels:
        return ""
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "train", "drawing the learning curve") from error
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "fairmem",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9,
    }
    with matplotlib.rc_context(settings):
        figure: Any = Figure(figsize=(7.2, 2.1 * len(panels) + 0.4), layout="constrained")
        FigureCanvasAgg(figure)
        drawn_in = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for place, (key, title) in enumerate(panels):
            axes = drawn_in[place]
            _draw(axes, metrics, key, title, last=place == len(panels) - 1)
            _mark_stages(axes, metrics, named=place == 0)
            if key == "f1":
                _draw_held_out(axes, metrics, held_out)
            if axes.dataLim.y0 >= 0:
                axes.set_ylim(bottom=0)
        if png is not None:
            figure.savefig(png, format="png", dpi=150, facecolor="white", metadata={"Software": None})
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return svg_element(drawn.getvalue())


def _panels(metrics: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(key, title) for key, title in _PANELS if any(finite(row.get(key)) is not None for row in metrics)]


def _draw(axes: Any, metrics: Sequence[Mapping[str, Any]], key: str, title: str, last: bool) -> None:
    points = [(row["step"], number) for row in metrics if (number := finite(row.get(key))) is not None]
    steps, values = [step for step, _ in points], [value for _, value in points]
    window = max(3, len(values) // 10) if len(values) >= _SMOOTH_FROM else 1
    marker = "." if len(values) <= 40 else ""
    axes.plot(steps, values, color=_LINE, alpha=0.35 if window > 1 else 1.0, linewidth=1.2, marker=marker)
    if window > 1:
        axes.plot(
            steps, _running_mean(values, window), color=_LINE, linewidth=2, label=f"mean of the last {window} steps"
        )
    axes.set_title(title, loc="left", fontsize=9.5, color=_INK)
    axes.tick_params(colors=_INK, length=3)
    axes.xaxis.get_major_locator().set_params(integer=True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    axes.grid(axis="y", color="#808890", alpha=0.25, linewidth=0.6)
    if last:
        axes.set_xlabel("training step", color=_INK)


def _draw_held_out(axes: Any, metrics: Sequence[Mapping[str, Any]], held_out: Sequence[HeldOut]) -> None:
    validated = [(row["step"], number) for row in metrics if (number := finite(row.get("val_f1"))) is not None]
    if validated:
        steps, values = zip(*validated, strict=True)
        axes.plot(steps, values, "s", markersize=4, color=_OTHER, mfc="none", label="validation")
    scored = [mark for mark in held_out if mark.score.n > 0]
    for place, mark in enumerate(scored):
        score = mark.score
        reach = [[score.mean - score.low], [score.high - score.mean]] if not math.isnan(score.low) else None
        label = "held-out, 95 %" if place == 0 else None
        axes.errorbar([mark.step], [score.mean], yerr=reach, fmt="o", color=_OTHER, capsize=3, label=label)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, frameon=False, fontsize=8, labelcolor=_INK, loc="best")


def _mark_stages(axes: Any, metrics: Sequence[Mapping[str, Any]], named: bool) -> None:
    """A dotted line where a stage begins, the first apart."""
    for before, row in pairwise(metrics):
        if row.get("stage") != before.get("stage"):
            where = row["step"] - 0.5
            axes.axvline(where, color=_INK, linewidth=0.8, linestyle=":")
            if named:
                place = axes.get_xaxis_transform()
                # "$" would start a formula.
                name = str(row.get("stage")).replace("$", r"\$")
                axes.text(where, 0.03, f" {name}", transform=place, fontsize=7.5, color=_INK, va="bottom")


def _running_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean of the last `window` values at each place (of fewer at the start)."""
    parts = [values[max(0, i + 1 - window) : i + 1] for i in range(len(values))]
    return [sum(part) / len(part) for part in parts]


def svg_element(svg: str) -> str:
    """The `svg` element of an SVG file, fit to stand in an HTML page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)  # HTML knows the namespaces by itself.
    opening = svg[: svg.index(">") + 1]
    return re.sub(r'\s(width|height)="[^"]*"', "", opening) + svg[len(opening) :].replace(_INK, "currentColor").strip()
