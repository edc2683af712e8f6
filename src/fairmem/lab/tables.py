"""The tables of a lab result, in Markdown: what the command prints, and what the guide shows.

`python -m fairmem.lab.tables GUIDE.md lab.json` writes them anew between the guide's markers, `<!-- lab: NAME -->` and
`<!-- lab: end -->`; a test holds that the guide is as this makes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fairmem.errors import DataError
from fairmem.lab.study import load

Result = Mapping[str, Any]
_MARKED = re.compile(r"(<!-- lab: (\w+) -->\n).*?(<!-- lab: end -->)", re.DOTALL)


def rules(result: Result) -> str:
    """Every measure of every rule at the middle horizon."""
    cell = _middle(result)
    header = ["rule", "bias", "SNR per 1,000 tokens", "times grpo", "cosine", "sign, by size", "questions"]
    rows = [
        [
            f"`{name}`",
            _interval(found["bias"]),
            _number(found["snr_per_kilotoken"][0]),
            _interval(found["versus_grpo"]),
            _interval(found["cosine"]),
            _interval(found["sign_weighted"]),
            f"{found['questions']:.0f}",
        ]
        for name, found in cell["results"].items()
    ]
    return _table(header, rows)


def horizons(result: Result) -> str:
    """Signal-to-noise per 1,000 tokens, and bias, over the horizons."""
    cells = [cell for cell in result["cells"] if _is_mixed(cell, _first(result))]
    return _across(result, cells, [f"{cell['horizon']} sessions" for cell in cells])


def interactions(result: Result) -> str:
    """The same over interactions, at the middle horizon."""
    middle = _middle(result)["horizon"]
    mixed = [cell for cell in result["cells"] if cell["world"] == "mixed" and cell["horizon"] == middle]
    cells = sorted(mixed, key=lambda cell: cell["interaction"])
    return _across(result, cells, [f"interaction {cell['interaction']:g}" for cell in cells])


def worlds(result: Result) -> str:
    """The same over worlds, at the middle horizon."""
    others = [cell for cell in result["cells"] if cell["world"] != "mixed"]
    cells = [_middle(result), *others]
    return _across(result, cells, [str(cell["world"]) for cell in cells])


def compared(result: Result) -> str:
    """LoGo's signal-to-noise as a multiple of GRPO's at equal sampled tokens, in every cell."""
    names = [name for name in ("logo", "logo_half", "counterfactual") if name in result["rules"]]
    rows = [
        [
            cell["world"],
            f"{cell['interaction']:g}",
            str(cell["horizon"]),
            *(_interval(cell["results"][name]["versus_grpo"]) for name in names),
        ]
        for cell in result["cells"]
    ]
    return _table(["world", "interaction", "sessions", *(f"`{name}`" for name in names)], rows)


def about(result: Result) -> str:
    """What each rule compares."""
    return _table(["rule", "what it compares"], [[f"`{name}`", text] for name, text in result["rules"].items()])


TABLES: Mapping[str, Callable[[Result], str]] = {
    "about": about,
    "rules": rules,
    "horizons": horizons,
    "interactions": interactions,
    "worlds": worlds,
    "compared": compared,
}
"""Name in a marker -> table."""

_TITLES = {
    "about": "What each rule compares",
    "rules": "All measures",
    "horizons": "Over horizons: SNR per 1,000 sampled tokens (bias)",
    "interactions": "Over interactions: SNR per 1,000 sampled tokens (bias)",
    "worlds": "Over worlds: SNR per 1,000 sampled tokens (bias)",
    "compared": "SNR as a multiple of grpo's at equal sampled tokens",
}


def report(result: Result) -> str:
    """All tables with their titles, under a line that says what was run."""
    settings, middle = result["settings"], _middle(result)
    opening = (
        f"# Credit rules in the lab\n\n{settings['replications']} conversations per cell, {settings['estimates']} "
        f"gradient estimates each, {settings['tokens']} sampled tokens per session of the horizon; seed "
        f"{settings['seed']}. Brackets are 95 % over conversations. Where nothing else is said: world mixed, "
        f"interaction {middle['interaction']:g}, {middle['horizon']} sessions."
    )
    parts = [f"## {_TITLES[name]}\n\n{table(result)}" for name, table in TABLES.items()]
    return "\n\n".join([opening, *parts]) + "\n"


def filled(text: str, result: Result) -> str:
    """`text` with the table of each marker made anew.

    Raises:
        DataError: a marker names no table.
    """

    def table(found: re.Match[str]) -> str:
        if found[2] not in TABLES:
            raise DataError(f"no table '{found[2]}' in the lab; expected one of {', '.join(TABLES)}")
        return f"{found[1]}\n{TABLES[found[2]](result)}\n\n{found[3]}"

    return _MARKED.sub(table, text)


def _first(result: Result) -> float:
    return float(result["settings"]["interactions"][0])


def _is_mixed(cell: Mapping[str, Any], interaction: float) -> bool:
    return cell["world"] == "mixed" and cell["interaction"] == interaction


def _middle(result: Result) -> Mapping[str, Any]:
    """The cell that the others vary from."""
    lengths = sorted(result["settings"]["horizons"])
    middle = lengths[(len(lengths) - 1) // 2]
    return next(c for c in result["cells"] if _is_mixed(c, _first(result)) and c["horizon"] == middle)


def _across(result: Result, cells: Sequence[Mapping[str, Any]], titles: Sequence[str]) -> str:
    rows: list[list[str]] = []
    for name in result["rules"]:
        found = [cell["results"][name] for cell in cells]
        rows.append(
            [f"`{name}`", *(f"{_number(r['snr_per_kilotoken'][0])} ({_number(r['bias'][0], 2)})" for r in found)]
        )
    return _table(["rule", *titles], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _interval(numbers: Sequence[float | None] | None) -> str:
    if numbers is None or numbers[0] is None:
        return "–"
    value, low, high = numbers
    if low is None or high is None:
        return _number(value, 2)
    return f"{_number(value, 2)} [{_number(low, 2)}, {_number(high, 2)}]"


def _number(number: float | None, decimals: int | None = None) -> str:
    """Three significant digits, or so many decimals; small numbers keep a digit that is not 0."""
    if number is None:
        return "–"
    if decimals is not None and (number == 0 or abs(number) >= 0.5 * 10**-decimals):
        return f"{number:.{decimals}f}"
    return f"{number:.3g}" if decimals is None else f"{number:.1g}"


if __name__ == "__main__":
    guide = Path(sys.argv[1])
    guide.write_text(filled(guide.read_text(encoding="utf-8"), load(Path(sys.argv[2]))), encoding="utf-8")
