"""Probes: does irrelevant memory act on a decoder as an order to behave that way would, and where does it look?

`probe_model` reads residual streams and attention rows of a local model on drift scenarios; `write_report` writes what
it found. Correlation alone is not a result here: a direction counts when taking it out moves the expected
parameter value.
Needs the extra `mech` (torch, transformers), which is loaded when a model is.
"""

from __future__ import annotations

from fairmem.drift.probes.direction_file import SavedDirection, load_direction, model_hash, save_direction
from fairmem.drift.probes.directions import auc, difference_of_means, specificity
from fairmem.drift.probes.overlap import Slope, overlap_slope
from fairmem.drift.probes.probe import ProbeConfig, ProbeResult, probe_model
from fairmem.drift.probes.report import write_report

__all__ = [
    "ProbeConfig",
    "ProbeResult",
    "SavedDirection",
    "Slope",
    "auc",
    "difference_of_means",
    "load_direction",
    "model_hash",
    "overlap_slope",
    "probe_model",
    "save_direction",
    "specificity",
    "write_report",
]
