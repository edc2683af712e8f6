"""`fairmem reproduce`: the ablations of Memory-R2 on the small model, over seeds, at equal sampled tokens.

The matrix of groups and arms is a data file (`matrix.toml`); one JSON file holds what was found, and the page and the
figures are made from it.
"""

from __future__ import annotations

from fairmem.reproduce.figures import draw_differences, draw_frontier
from fairmem.reproduce.frontier import Frontier, Point, frontier
from fairmem.reproduce.matrix import Arm, Group, Matrix, Share, arm_overrides, load_matrix
from fairmem.reproduce.page import page
from fairmem.reproduce.readme import put_in_readme, section
from fairmem.reproduce.recorded import FORMAT, VERSION, read_report
from fairmem.reproduce.report import report, save
from fairmem.reproduce.runs import Run, listing, plan_runs, run_matrix

__all__ = [
    "Arm",
    "FORMAT",
    "Frontier",
    "Group",
    "Matrix",
    "Point",
    "Run",
    "Share",
    "VERSION",
    "arm_overrides",
    "draw_differences",
    "draw_frontier",
    "frontier",
    "listing",
    "load_matrix",
    "page",
    "plan_runs",
    "put_in_readme",
    "read_report",
    "report",
    "run_matrix",
    "save",
    "section",
]
