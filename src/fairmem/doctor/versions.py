"""Comparing version numbers, without the package `packaging`, which the core install does not have.

Release numbers are compared; what follows them is read as Python's packages use it: `2.13.0+cpu` is 2.13.0, `5.0rc1`
comes before 5.0, `5.0.post1` after it. Simplified: two pre-releases of one version are equal.
"""

from __future__ import annotations

import re

_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)\s*[-._]?(a|alpha|b|beta|c|rc|pre|preview|dev|post)?", re.IGNORECASE)
_CLAUSE = re.compile(r"(~=|===?|!=|<=|>=|<|>)\s*(\S+)")

Key = tuple[tuple[int, ...], int]


def version_key(text: str) -> Key:
    """A value that sorts as the version does: release numbers without zeros at the end, then before, at or after it.

    Raises:
        ValueError: not a version.
    """
    found = _VERSION.match(text.strip())
    if found is None:
        raise ValueError(f"not a version: {text!r}")
    numbers = [int(part) for part in found[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    kind = (found[2] or "").lower()
    return tuple(numbers), 0 if not kind else 1 if kind == "post" else -1


def satisfies(version: str, specifier: str) -> bool:
    """Whether `version` is in the window `specifier`, such as `>=5.5.3,!=5.6.0,<5.11`; an empty window holds all.

    Raises:
        ValueError: a clause is not understood.
    """
    return all(_holds(version, clause.strip()) for clause in specifier.split(",") if clause.strip())


def _holds(version: str, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        raise ValueError(f"not a version clause: {clause!r}")
    how, wanted = found[1], found[2]
    if wanted.endswith(".*"):
        head = tuple(int(part) for part in wanted[:-2].split("."))
        numbers = version_key(version)[0]
        same = (numbers + (0,) * len(head))[: len(head)] == head
        return same if how == "==" else not same
    have, want = version_key(version), version_key(wanted)
    if how == "~=":
        head = tuple(int(part) for part in wanted.split(".")[:-1])
        return have >= want and (have[0] + (0,) * len(head))[: len(head)] == head
    return {
        "==": have == want,
        "===": have == want,
        "!=": have != want,
        "<=": have <= want,
        ">=": have >= want,
        "<": have < want,
        ">": have > want,
    }[how]
