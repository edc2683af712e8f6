"""Runs that an earlier report tells of: they are finished, wherever their folders are.

So a study can be made in several goes and on several machines: a report is kept with the code, and the next one adds
to it. A run counts if its recipe, the model it began with and the test are the same; keys that recipes have got since
do not matter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairmem.config import Recipe, changed
from fairmem.errors import DataError
from fairmem.reproduce.matrix import CommonTest, Matrix

FORMAT = "fairmem-reproduce"
VERSION = 2
NAME = "reproduce.json"
"""Of a report's file."""
_OTHER = "choose another folder with --results, or remove the file"


def read_report(folder: Path, matrix: Matrix, weights: str | None) -> dict[str, Any] | None:
    """The report in `folder` that the next one is to go on from; None if there is none.

    Args:
        folder: Where the report is to be written.
        matrix: That is to be reported.
        weights: Digest of the model that its recipe begins with.

    Raises:
        DataError: what is there is no report, or one of other weights, another recipe or another way to count tokens.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        known = {key: found[key] for key in ("format", "version", "title", "recipe", "weights", "counts")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a report of fairmem reproduce: {error}; {_OTHER}") from error
    expected = {"format": FORMAT, "version": VERSION, "title": matrix.title, "recipe": matrix.recipe}
    expected |= {"weights": weights, "counts": matrix.counts}
    for key, value in expected.items():
        if known[key] != value:
            raise DataError(f"{path}: its {key} is {known[key]!r}, that of these runs {value!r}; {_OTHER}")
    return dict(found)


class Recorded:
    """The finished runs of a report.

    Args:
        found: The report (`read_report`), or None for no run.
    """

    def __init__(self, found: Mapping[str, Any] | None) -> None:
        self._arms = [(group["test"], arm) for group in (found["groups"] if found else ()) for arm in group["arms"]]

    def rows(self, recipe: Recipe, weights: str, test: CommonTest | None) -> dict[int, dict[str, Any]]:
        """Seed -> what was measured, of every run of this recipe from these weights on this test."""
        tested = None if test is None else test.model_dump(mode="json")
        same = [
            arm
            for group_test, arm in self._arms
            if arm["weights"] == weights and group_test == tested and not changed(arm["settings"], recipe)
        ]
        return {row["seed"]: row for arm in same for row in arm["seeds"]}


def merged(groups: Sequence[Mapping[str, Any]], earlier: Mapping[str, Any] | None, order: Sequence[str]) -> list[Any]:
    """The groups of a new report, and those of the earlier one that it does not have, in the order of the matrix."""
    new = {group["name"]: group for group in groups}
    old = {group["name"]: group for group in (earlier["groups"] if earlier else ())}
    names = [*(name for name in order if name in old or name in new), *(name for name in old if name not in order)]
    return [new.get(name) or old[name] for name in names]
