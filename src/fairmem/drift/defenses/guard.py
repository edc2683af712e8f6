"""Which parameters to guard: what the static scan finds in the tools, as pointers into their arguments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, get_args

from fairmem.drift.scan import SEVERITIES, Inventory, scan
from fairmem.drift.scan.findings import ScanReport, guarded_parameters
from fairmem.drift.scan.schema import read_schema
from fairmem.drift.scan.tool import Hints, Place, Tool
from fairmem.drift.scan.tool import pointer as pointer_to
from fairmem.policy.calls import ToolSpec

Guard = Literal["high", "medium", "low", "all"]
"""Least severity that is guarded; `all`: every parameter, found or not."""

GUARDS: tuple[Guard, ...] = get_args(Guard)


def guarded_pointers(tools: Sequence[ToolSpec], level: Guard = "medium") -> dict[str, tuple[str, ...]]:
    """Tool -> pointers of the parameters of it to guard."""
    if level == "all":
        return {tool.name: all_pointers(tool) for tool in tools}
    place = Place("tools")
    read = tuple(
        Tool("", tool.name, tool.description, dict(tool.schema), Hints(), place.below("tools", i))
        for i, tool in enumerate(tools)
    )
    return pointers_of(scan(Inventory("tools", read, ()), threshold=SEVERITIES[level]))


def pointers_of(report: ScanReport) -> dict[str, tuple[str, ...]]:
    """The findings that `report` lists, for `Access.guarded`; what lies in a list guards the whole list."""
    found = guarded_parameters(report)
    return {tool: tuple(dict.fromkeys(argument_pointer(path) for path in paths)) for tool, paths in found.items()}


def argument_pointer(path: str) -> str:
    """`filter.visibility` -> `/filter/visibility`; `files[].mode` -> `/files`."""
    return pointer_to(*path.partition("[]")[0].split("."))


def all_pointers(tool: ToolSpec) -> tuple[str, ...]:
    """Pointers of all arguments of `tool`, the innermost ones."""
    paths = [parameter.path for parameter in read_schema(dict(tool.schema)).parameters]
    inner = {path.rpartition(".")[0] for path in paths}
    return tuple(dict.fromkeys(argument_pointer(path) for path in paths if path not in inner))


def is_guarded(pointer: str, guards: Collection[str]) -> bool:
    """Whether `pointer` is guarded itself or lies in something that is."""
    return any(pointer == guard or pointer.startswith(f"{guard}/") for guard in guards)
