"""The tables of a lab result, in Markdown: what the command prints, and what the guide shows.

`python -m fairmem.lab.tables lab.json PAGE.md ...` writes them anew between the pages' markers, `<!-- lab: NAME -->`
(or `<!-- lab: NAME RULE RULE -->`, for these rules alone) and `<!-- lab: end -->`; a test holds that they are so.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fairmem.credit import CREDIT_RULES
from fairmem.errors import DataError
from fairmem.lab.study import load
from fairmem.replace import replace_text

Result = Mapping[str, Any]
UNTOLD = 0.4
"""Width of a bias' interval from which on it is not shown: an estimate this noisy has no direction yet."""
_MARKED = re.compile(r"(<!-- lab: (\w+)((?: \w+)*) -->\n).*?(<!-- lab: end -->)", re.DOTALL)


def rules(result: Result) -> str:
    """Every measure of every rule at the middle horizon."""
    cell = _middle(result)
    header = ["rule", "bias", "SNR per 1,000 tokens", "times grpo", "cosine", "sign, by size", "questions"]
    rows = [
        [
            f"`{name}`",
            _bias(found["bias"], interval=True),
            _number(found["snr_per_kilotoken"][0]),
            _interval(found["versus_grpo"]),
            _interval(found["cosine"]),
            _interval(found["sign_weighted"]),
            f"{found['questions']:.0f}",
        ]
        for name, found in ((name, cell["results"][name]) for name in result["rules"])
    ]
    return _table(header, rows)


def horizons(result: Result) -> str:
    """Signal-to-noise per 1,000 tokens, and bias, over the horizons."""
    cells = mixed_cells(result, horizon=None)
    return _across(result, cells, [f"{cell['horizon']} sessions" for cell in cells])


def interactions(result: Result) -> str:
    """The same over interactions, at the middle horizon."""
    cells = sorted(mixed_cells(result, interaction=None), key=lambda cell: cell["interaction"])
    return _across(result, cells, [f"interaction {cell['interaction']:g}" for cell in cells])


def skills(result: Result) -> str:
    """The same over skills of the policy, at the middle horizon."""
    cells = sorted(mixed_cells(result, skill=None), key=lambda cell: cell["skill"])
    return _across(result, cells, [f"skill {cell['skill']:g}" for cell in cells])


def worlds(result: Result) -> str:
    """The same over worlds, at the middle horizon."""
    others = [cell for cell in result["cells"] if cell["world"] != "mixed"]
    cells = [_middle(result), *others]
    return _across(result, cells, [str(cell["world"]) for cell in cells])


def compared(result: Result) -> str:
    """Signal-to-noise at equal sampled tokens as a multiple of that of GRPO with the same kind of reward."""
    pairs = [(name, base) for name, base in _COMPARED if {name, base} <= set(result["rules"])]
    rows = [
        [
            cell["world"],
            f"{cell['interaction']:g}",
            f"{cell['skill']:g}",
            str(cell["horizon"]),
            *(_interval(cell["results"][name][f"versus_{base}"]) for name, base in pairs),
        ]
        for cell in result["cells"]
    ]
    return _table(["world", "interaction", "skill", "sessions", *(f"`{a}` / `{b}`" for a, b in pairs)], rows)


_COMPARED = (
    ("logo", "grpo"),
    ("logo_half", "grpo"),
    ("counterfactual", "grpo"),
    ("logo_trajectory", "broadcast"),
    ("logo_half_trajectory", "broadcast"),
)


def verdicts(result: Result) -> str:
    """The rules that can be trained with: bias over interactions, noise over horizons, and both in words."""
    swept = sorted(mixed_cells(result, interaction=None), key=lambda cell: cell["interaction"])
    curve = mixed_cells(result, horizon=None)
    header = [
        "rule",
        f"bias at interaction {', '.join(_number(cell['interaction']) for cell in swept)}",
        f"SNR, times grpo's, at {', '.join(str(cell['horizon']) for cell in curve)} sessions",
        "verdict",
    ]
    rows = [
        [
            f"`{name}`",
            ", ".join(_bias(cell["results"][name]["bias"]) for cell in swept),
            ", ".join(_number(_times(cell, name), 2) for cell in curve),
            _words(_middle(result)["results"][name]["bias"], _times(_middle(result), name)),
        ]
        for name in result["rules"]
        if name in CREDIT_RULES
    ]
    return _table(header, rows)


def _times(cell: Mapping[str, Any], name: str) -> float | None:
    versus = cell["results"][name]["versus_grpo"]
    return None if versus is None else versus[0]


def _words(bias: Sequence[float | None], times: float | None) -> str:
    if times is None:
        return "–"
    if _bias(bias) == "?":
        direction = "bias not told"
    elif bias[1] == 0:
        direction = "no bias seen"
    else:
        direction = next(word for most, word in _DIRECTIONS if bias[0] is not None and bias[0] < most)
    return f"{direction}, {next(word for most, word in _NOISES if times < most)}"


_DIRECTIONS = ((0.15, "little bias"), (0.35, "some bias"), (math.inf, "strong bias"))
_NOISES = (
    (0.2, "very noisy"),
    (0.8, "noisier than grpo"),
    (1.25, "as noisy as grpo"),
    (math.inf, "less noisy than grpo"),
)


def about(result: Result) -> str:
    """What each rule compares."""
    return _table(["rule", "what it compares"], [[f"`{name}`", text] for name, text in result["rules"].items()])


TABLES: Mapping[str, Callable[[Result], str]] = {
    "about": about,
    "rules": rules,
    "horizons": horizons,
    "interactions": interactions,
    "skills": skills,
    "worlds": worlds,
    "compared": compared,
    "verdicts": verdicts,
}
"""Name in a marker -> table."""

_TITLES = {
    "about": "What each rule compares",
    "rules": "All measures",
    "horizons": "Over horizons: SNR per 1,000 sampled tokens (bias)",
    "interactions": "Over interactions: SNR per 1,000 sampled tokens (bias)",
    "skills": "Over skills of the policy: SNR per 1,000 sampled tokens (bias)",
    "worlds": "Over worlds: SNR per 1,000 sampled tokens (bias)",
    "compared": "SNR as a multiple of that of GRPO, at equal sampled tokens",
    "verdicts": "The rules that can be trained with",
}


def report(result: Result) -> str:
    """All tables with their titles, under a line that says what was run."""
    settings, middle = result["settings"], _middle(result)
    opening = (
        f"# Credit rules in the lab\n\n{settings['replications']} conversations per cell, {settings['estimates']} "
        f"gradient estimates each, {settings['tokens']} sampled tokens per session of the horizon; seed "
        f"{settings['seed']}. Brackets are 95 % over conversations. Where nothing else is said: world mixed, "
        f"interaction {middle['interaction']:g}, skill {middle['skill']:g}, {middle['horizon']} sessions."
    )
    parts = [f"## {_TITLES[name]}\n\n{table(result)}" for name, table in TABLES.items()]
    return "\n\n".join([opening, *parts]) + "\n"


def filled(text: str, result: Result) -> str:
    """`text` with the table of each marker made anew.

    Raises:
        DataError: a marker names what is no table, or a rule that was not run.
    """

    def table(found: re.Match[str]) -> str:
        if found[2] not in TABLES:
            raise DataError(f"no table '{found[2]}' in the lab; expected one of {', '.join(TABLES)}")
        names = found[3].split() or list(result["rules"])
        for name in names:
            if name not in result["rules"]:
                raise DataError(f"no rule '{name}' in this lab.json; it has {', '.join(result['rules'])}")
        shown = {**result, "rules": {name: result["rules"][name] for name in names}}
        return f"{found[1]}\n{TABLES[found[2]](shown)}\n\n{found[4]}"

    return _MARKED.sub(table, text)


def mixed_cells(result: Result, **free: None) -> list[Mapping[str, Any]]:
    """Cells of the world `mixed` that have the first interaction, the first skill and the middle horizon.

    What is named in `free` may be anything.
    """
    settings = result["settings"]
    lengths = sorted(settings["horizons"])
    fixed = {
        "interaction": settings["interactions"][0],
        "skill": settings["skills"][0],
        "horizon": lengths[(len(lengths) - 1) // 2],
    }
    return [
        cell
        for cell in result["cells"]
        if cell["world"] == "mixed" and all(cell[name] == value for name, value in fixed.items() if name not in free)
    ]


def _middle(result: Result) -> Mapping[str, Any]:
    """The cell that the others vary from."""
    return mixed_cells(result)[0]


def _across(result: Result, cells: Sequence[Mapping[str, Any]], titles: Sequence[str]) -> str:
    rows: list[list[str]] = []
    for name in result["rules"]:
        found = [cell["results"][name] for cell in cells]
        rows.append([f"`{name}`", *(f"{_number(r['snr_per_kilotoken'][0])} ({_bias(r['bias'])})" for r in found)])
    return _table(["rule", *titles], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bias(numbers: Sequence[float | None], interval: bool = False) -> str:
    """A bias, or "?" where noise leaves more than `UNTOLD` of its range open."""
    value, low, high = numbers
    if value is None or (low is not None and high is not None and high - low > UNTOLD):
        return "?"
    return _interval(numbers) if interval else _number(value, 2)


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
    shipped = load(Path(sys.argv[1]))
    for page in (Path(name) for name in sys.argv[2:]):
        replace_text(page, filled(page.read_text(encoding="utf-8"), shipped))
