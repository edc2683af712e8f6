"""Which tool parameters could a private memory move without anyone noticing?

`load_path` (files) or `live` (running servers) give an `Inventory`; `scan` judges every parameter by rules and gives a
`ScanReport`, which `to_table`, `to_json`, `to_sarif` and `to_page` write. Nothing here needs a model or the network
unless it is asked for. What is found is a candidate; `confirm` measures, with a model, whether arguments move.
"""

from fairmem.drift.scan.baseline import baseline_text, read_baseline
from fairmem.drift.scan.findings import Finding, ScanReport, guarded_parameters
from fairmem.drift.scan.live import load_command, load_running, load_url
from fairmem.drift.scan.load import load_path, load_text
from fairmem.drift.scan.page import to_page, to_table
from fairmem.drift.scan.rules import DIMENSIONS, RULES, SEVERITIES, Rule, Severity
from fairmem.drift.scan.sarif import to_sarif
from fairmem.drift.scan.scan_json import to_json
from fairmem.drift.scan.scanner import scan
from fairmem.drift.scan.tool import Inventory, Problem, ProblemKind, Tool

__all__ = [
    "DIMENSIONS",
    "Finding",
    "Inventory",
    "Problem",
    "ProblemKind",
    "RULES",
    "Rule",
    "SEVERITIES",
    "ScanReport",
    "Severity",
    "Tool",
    "baseline_text",
    "guarded_parameters",
    "load_command",
    "load_path",
    "load_running",
    "load_text",
    "load_url",
    "read_baseline",
    "scan",
    "to_json",
    "to_page",
    "to_sarif",
    "to_table",
]
