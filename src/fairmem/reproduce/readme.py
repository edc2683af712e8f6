"""The results section of a README: every comparison of a report in one row, made from the same JSON as its page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairmem.errors import DataError
from fairmem.replace import replace_text
from fairmem.reproduce.page import interval, verdict

BEGIN, END = "<!-- results of fairmem reproduce -->", "<!-- end of results -->"
"""What the section lies between; it is replaced, and the text around it is left alone."""


def section(found: Mapping[str, Any]) -> str:
    """The table of a report (`fairmem.reproduce.report`), one row per arm that is compared with another."""
    lines = ["| arm | F1 | compared with | difference | verdict | seeds |", "|---|---|---|---|---|---|"]
    for group in found["groups"]:
        lines.append(f"| **{group['title']}**, {group['budget']:,} tokens | | | | | |")
        base = next(arm for arm in group["arms"] if arm["name"] == group["baseline"])
        for arm in group["arms"]:
            if arm is base:
                continue
            count = 0 if arm["difference"] is None else arm["difference"]["n"]
            mean = "-" if arm["f1"] is None else f"{arm['f1']['mean']:.3f}"
            low = "-" if base["f1"] is None else f"{base['f1']['mean']:.3f}"
            cells = [f"`{arm['name']}`: {arm['about']}", mean, f"`{base['name']}` ({low})"]
            cells += [interval(arm["difference"], "+.3f"), verdict(arm["difference"]), str(count)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def put_in_readme(found: Mapping[str, Any], path: Path) -> None:
    """Replace what lies between `BEGIN` and `END` in the file at `path` by the section of a report."""
    before, after = around(path)
    replace_text(path, f"{before}{BEGIN}\n\n{section(found)}\n{END}{after}")


def around(path: Path) -> tuple[str, str]:
    """What the file at `path` has before `BEGIN` and after `END`.

    Raises:
        DataError: the file cannot be read, or does not have both lines once and in this order.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise DataError(
            f"{path}: expected the line '{BEGIN}' and, below it, '{END}', each once; add them where the table goes"
        )
    before, rest = text.split(BEGIN)
    return before, rest.split(END)[1]
