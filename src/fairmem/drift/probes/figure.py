"""The two pictures of a probe, by layer. matplotlib is loaded when they are drawn."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from fairmem.drift.probes.probe import ProbeResult
from fairmem.errors import MissingExtraError
from fairmem.eval.plots import svg_element

_LINE, _OTHER = "#3f7fe8", "#e07b39"


def layer_figure(result: ProbeResult, png: Path) -> str:
    """Draw shift and attention by layer; writes a PNG, returns an SVG element for a page.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "train", "drawing the layers of a probe") from error
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "fairmem", "font.size": 9}
    with matplotlib.rc_context(settings):
        figure: Any = Figure(figsize=(7.2, 2.6), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        for read, colour in (("value", _LINE), ("prompt", _OTHER)):
            layers = [one for one in result.shifts.layers if one.read == read]
            means = [one.projection.mean for one in layers]
            reach = [[one.projection.mean - one.projection.low for one in layers]]
            reach.append([one.projection.high - one.projection.mean for one in layers])
            places = [one.layer for one in layers]
            left.errorbar(places, means, yerr=reach, fmt="o-", markersize=3, capsize=2, color=colour, label=read)
        left.axvline(result.shifts.layer, color="#808890", linestyle=":", linewidth=0.8)
        left.set_title("memory along the order, sd", loc="left", fontsize=9.5)
        left.legend(frameon=False, fontsize=8)
        gained = result.looking.by_layer
        right.plot(list(gained), list(gained.values()), "o-", markersize=3, color=_LINE)
        right.set_title("attention gained by memory", loc="left", fontsize=9.5)
        for axes in (left, right):
            axes.axhline(0, color="#808890", linewidth=0.6)
            axes.set_xlabel("layer")
            axes.xaxis.get_major_locator().set_params(integer=True)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        figure.savefig(png, format="png", dpi=150, facecolor="white", metadata={"Software": None})
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return svg_element(drawn.getvalue())
