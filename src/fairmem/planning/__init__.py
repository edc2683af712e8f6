"""`fairmem plan`: what a recipe asks of a machine, before it is rented.

    gpus.py         the GPUs, with the sheets their figures are from
    shapes.py       the shape of a model, from its config.json: parameters, cache, operations
    assumptions.py  every other number a plan rests on, in one table that can be changed
    playing.py      a stand-in for the models that writes replies of the expected size
    averages.py     conversations of average length, where a dataset is not at hand
    work.py         calls, tokens, waves and rows of a step, as records
    workload.py     the same found by playing a step; counting.py: what the played branches stand for
    memory.py       what has to be held per GPU, and whether it fits
    timing.py       rooflines of sampling, learning, answering and handing weights over
    plan.py         all of it for one recipe on one machine; page.py: as text

Nothing here loads a model.
"""

from __future__ import annotations

from fairmem.planning.assumptions import ASSUMPTIONS, DEFAULTS, Assumption, Assumptions, read_assumptions, table
from fairmem.planning.averages import AVERAGES, Average, average_conversation
from fairmem.planning.gpus import GPUS, Gpu, Machine, read_machine
from fairmem.planning.memory import MemoryPlan, one_gpu_memory, verl_memory
from fairmem.planning.page import as_values, comparison, page
from fairmem.planning.plan import Plan, Setup, StagePlan, compared, make_plan, shape_from, trained_shape
from fairmem.planning.shapes import SHAPES, ModelShape, shape_of
from fairmem.planning.work import RoleWork, RowWork, StepWork, WaveWork, Workload
from fairmem.planning.workload import workload

__all__ = [
    "ASSUMPTIONS",
    "AVERAGES",
    "Assumption",
    "Assumptions",
    "Average",
    "DEFAULTS",
    "GPUS",
    "Gpu",
    "Machine",
    "MemoryPlan",
    "ModelShape",
    "Plan",
    "RoleWork",
    "RowWork",
    "SHAPES",
    "Setup",
    "StagePlan",
    "StepWork",
    "WaveWork",
    "Workload",
    "as_values",
    "average_conversation",
    "compared",
    "comparison",
    "make_plan",
    "one_gpu_memory",
    "page",
    "read_assumptions",
    "read_machine",
    "shape_from",
    "shape_of",
    "table",
    "trained_shape",
    "verl_memory",
    "workload",
]
