"""Runs the lengths one after the other, keeps each as soon as it is done, and writes the table.

`lengths.json` holds the settings and one record per length. A run that was stopped goes on with the lengths that are
missing; other settings are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.errors import CheckpointError, ConfigError
from fairmem.lengths.measure import LengthSettings, measure_length
from fairmem.lengths.players import Player
from fairmem.replace import replace_text

FILE = "lengths.json"


def run_lengths(
    player: Player,
    lengths: Sequence[int],
    settings: LengthSettings,
    folder: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure `lengths`, in ascending order, but for those that lie in `folder`.

    Raises:
        ConfigError: `folder` holds measurements of another player or other settings, or a length below 1,000.
        CheckpointError: the file there is damaged.
    """
    if not lengths or min(lengths) < 1_000:
        raise ConfigError(f"lengths are {list(lengths)}, expected numbers of tokens from 1,000 up")
    about = {"player": player.name, **settings.as_dict()}
    result: dict[str, Any] = {"about": about, "lengths": {}}
    path = None if folder is None else folder / FILE
    if path is not None and path.is_file():
        result = _read(path, about)
    for length in sorted(set(lengths)):
        if str(length) in result["lengths"]:
            say(f"{length:,} tokens: measured before")
            continue

        def tell(text: str, length: int = length) -> None:
            say(f"{length:,} tokens: {text}")

        result["lengths"][str(length)] = measure_length(player, length, settings, tell)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(path, json.dumps(result, indent=1) + "\n")
    return result


def _read(path: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: damaged: {error}; delete it") from error
    if not isinstance(found, dict) or not isinstance(found.get("lengths"), dict):  # pyright: ignore[reportUnknownMemberType]
        raise CheckpointError(f"{path}: not a file of `fairmem lengths`; delete it")
    if found.get("about") != dict(about):  # pyright: ignore[reportUnknownMemberType]
        raise ConfigError(f"{path}: measured with {found.get('about')}, now asked for {dict(about)}; use another --out")  # pyright: ignore[reportUnknownMemberType]
    return cast("dict[str, Any]", found)


def report(result: Mapping[str, Any]) -> str:
    """The table, as Markdown."""
    head = (
        "tokens | chunks | F1 (95 %) | early half | late half | entries | memory tokens | memory ms/chunk first, last "
        "tenth | all ms/chunk first, last tenth | search ms/question | peak MB | KB/chunk first, second half"
    )
    lines = [f"| {head} |", "|" + "---:|" * (head.count("|") + 1)]
    for row in sorted(result["lengths"].values(), key=lambda row: row["tokens"]):
        score, low, high = row["score"]
        cells = [
            f"{row['tokens']:,}",
            f"{row['chunks']:,}",
            f"{_number(score)} ({_number(low)} to {_number(high)})",
            _number(row["score_early"][0]),
            _number(row["score_late"][0]),
            f"{row['entries']:,}",
            f"{row['memory_tokens']:,}",
            ", ".join(f"{value:.2f}" for value in row["memory_ms"]),
            ", ".join(f"{value:.1f}" for value in row["ms"]),
            f"{row['search_ms']:.2f}",
            f"{row['peak_mb']:,.0f}",
            ", ".join(f"{value:.1f}" for value in row["kb_per_chunk"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    about = ", ".join(f"{key} {value}" for key, value in result["about"].items())
    return "\n".join([f"Length generalisation: {about}", "", *lines, ""])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
