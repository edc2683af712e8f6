"""Writing what the probes found: `probe.json`, `probe.html`, `probe.md`, `probe.png` and a direction per bias.

`probe.json` (format `fairmem-drift-probe`, version 1) is the record `ProbeResult` without its directions, nan being
null; an estimate is `{mean, low, high, n, method}`, 95 % over scenarios.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from fairmem.drift.intervals import Estimate
from fairmem.drift.probes.direction_file import save_direction
from fairmem.drift.probes.figure import layer_figure
from fairmem.drift.probes.probe import ProbeResult
from fairmem.drift.report import finite_json
from fairmem.drift.report_page import interval, number, p_value, signed
from fairmem.eval.page import Page, Table, Tile, to_html, to_markdown, to_text
from fairmem.replace import replace_text

PROBE_FORMAT = "fairmem-drift-probe"
PROBE_VERSION = 1


def write_report(result: ProbeResult, folder: Path) -> str:
    """Write the report of `result` into `folder`, made if absent; returns it as text.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for direction in result.directions:
        save_direction(folder / f"direction-{direction.bias}.npz", direction)
    page = probe_page(result)
    figure = layer_figure(result, folder / "probe.png")
    replace_text(folder / "probe.json", json.dumps(to_json(result), indent=2, allow_nan=False) + "\n")
    replace_text(folder / "probe.md", to_markdown(page))
    replace_text(folder / "probe.html", to_html(page, figure))
    return f"{to_text(page)}\nWritten to {folder}: probe.html, probe.md, probe.json, probe.png, direction-BIAS.npz\n"


def to_json(result: ProbeResult) -> dict[str, Any]:
    """See the module."""
    fields = {name: value for name, value in asdict(result).items() if name != "directions"}
    fields["shifts"]["specificity"]["mean_BB"] = result.shifts.specificity.mean_BB.tolist()
    return cast(dict[str, Any], finite_json({"format": PROBE_FORMAT, "version": PROBE_VERSION, **fields}))


def probe_page(result: ProbeResult) -> Page:
    """The report before it has a format."""
    shifts, causal, looking = result.shifts, result.causal, result.looking
    lines = [
        f"{len(result.scenarios)} scenarios, {result.config.memories} memories an arm; directions are fitted on other "
        f"domains. Layer {shifts.layer} was chosen by how well orders carry over to a new domain, not by memory.",
        f"Biased memory lies {_estimate(shifts.projection)} sd of the noise of neutral memory along the direction "
        f"of the order (p {p_value(shifts.p)}); AUC against that noise {shifts.auc:.2f} [{shifts.auc_low:.2f}, "
        f"{shifts.auc_high:.2f}], 0.5 being nothing.",
        f"Taking the direction out moves the expected deflection by {_estimate(causal.ablated)} where memory had moved "
        f"it by {_estimate(causal.drift)}; a random direction by {_estimate(causal.random)}.",
    ]
    if causal.lost:
        lines.append(f"{causal.lost} scenarios gave no answer in one of the runs and are left out of the causal table.")
    if looking.skipped:
        listed = "; ".join(f"{layer}: {why}" for layer, why in looking.skipped.items())
        lines.append(f"Layers without attention rows (left out of all means): {listed}.")
    tiles = (
        Tile("AUC of memory", f"{shifts.auc:.2f}", f"[{shifts.auc_low:.2f}, {shifts.auc_high:.2f}]"),
        Tile("own bias against others", signed(shifts.specificity.contrast, 2), f"p {_p(shifts.specificity.p)}"),
        Tile("ablation beyond random", signed(causal.net.mean), interval(causal.net)),
    )
    return Page(
        title=f"Drift probes of {result.model}",
        headline=tuple(lines),
        tables=(
            _bias_table(result),
            _specificity_table(result),
            _causal_table(result),
            _attention_table(result),
            _layer_table(result),
        ),
        tiles=tiles,
        figure_file="probe.png",
        figure_title="Layers",
        caption="By layer: memory's shift along the order's direction, and the attention that memory gains.",
    )


def _bias_table(result: ProbeResult) -> Table:
    rows = tuple(
        (
            one.bias,
            f"{one.cosine:+.2f}",
            f"[{one.random_low:+.2f}, {one.random_high:+.2f}]",
            _estimate(one.projection),
            _estimate(one.opposite),
            str(one.projection.n),
        )
        for one in result.shifts.biases
    )
    note = (
        "Cosine of the mean shift by memory (biased minus neutral) and the direction of the order, with the 95 % range "
        "of random directions. Projections in sd of neutral memory's noise, directions of other domains; opposite "
        "memories should lie on the other side."
    )
    columns = ("bias", "cosine", "chance", "biased", "opposite", "scenarios")
    return Table("Memory along the order's direction", columns, rows, note)


def _specificity_table(result: ProbeResult) -> Table:
    found = result.shifts.specificity
    rows = tuple(
        (bias, *(signed(float(x), 2) for x in means)) for bias, means in zip(found.biases, found.mean_BB, strict=True)
    )
    note = (
        f"Rows: whose memory; columns: whose direction; sd of the noise. Own minus others {signed(found.contrast, 2)}; "
        f"with biases permuted among scenarios 95 % lie in [{signed(found.low, 2)}, {signed(found.high, 2)}], "
        f"p {_p(found.p)}."
    )
    return Table("Is it the direction of this bias?", ("memory of", *found.biases), rows, note)


def _causal_table(result: ProbeResult) -> Table:
    causal = result.causal
    rows = [
        ("drift: biased minus neutral", _estimate(causal.drift), ""),
        ("direction taken out, biased memory", _estimate(causal.ablated), _estimate(causal.random)),
    ]
    rows += [(f"{d.amount:+g} orders added, no memory", _estimate(d.effect), _estimate(d.random)) for d in causal.doses]
    layers = ", ".join(map(str, causal.band))
    note = f"Changes of E[D] in layers {layers}, from the prompt's last token on; n = {causal.drift.n} scenarios."
    return Table(
        "Does the direction cause it?", ("change", "its effect on E[D]", "random direction"), tuple(rows), note
    )


def _attention_table(result: ProbeResult) -> Table:
    looking = result.looking
    rows = tuple(
        (one.part, number(one.neutral.mean), _estimate(one.change), f"{one.density.mean:.2f}") for one in looking.parts
    )
    slope = looking.slope
    note = (
        "Attention of the token before each watched value, without the first token of the prompt, which "
        f"takes {number(looking.sink.mean)}. Density: per token with biased memory, 1 being an even spread. "
        f"An entry gains {slope.slope:+.3f} [{slope.low:+.3f}, {slope.high:+.3f}] density per unit of word overlap "
        f"with the parameter, at equal place and length; with overlaps permuted "
        f"[{slope.null_low:+.3f}, {slope.null_high:+.3f}] "
        f"({slope.n} entries, {slope.scenarios} scenarios)."
    )
    return Table("Where it looks", ("part", "neutral", "biased minus neutral", "density"), rows, note)


def _layer_table(result: ProbeResult) -> Table:
    rows = tuple(
        (str(one.layer), one.read, f"{one.separation:.2f}", _estimate(one.projection), f"{one.auc:.2f}")
        for one in result.shifts.layers
    )
    note = "Separation: orders in the left-out domain, in sd. Memory: as above. Layers count from 0."
    return Table("Layers", ("layer", "read at", "separation of orders", "memory", "AUC"), rows, note)


def _estimate(found: Estimate) -> str:
    return f"{signed(found.mean)} {interval(found)}"


def _p(p: float) -> str:
    return "–" if math.isnan(p) else p_value(p)
