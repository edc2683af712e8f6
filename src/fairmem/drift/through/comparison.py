"""One model through several memories: the same scenarios, arms and seeds, a run for each, and one table of all.

The folder holds `systems.json` (format `fairmem-drift-systems`, version 1: which memories, and why one was skipped), a
folder with the run of each, and the comparison as `comparison.json`, `.md` and `.html`. `comparison.json` (format
`fairmem-drift-comparison`, version 1) has, nan being null:

- model, main (the strongest biased arm), skipped: `{name: reason}`;
- systems: list of `{name, settings, complete, trials, planned, lost, floor, tau, delta, points, p, drifted,
  minus_direct, minus_direct_p, main, relevant, neutral, used, builds, calls, prompt_tokens, reply_tokens}`. Delta,
  points and drifted are of the main arm, exposed or not; minus_direct is the paired difference of delta to direct
  injection (null without it), its p corrected by Holm over the systems; main, relevant and neutral are the
  `ArmConversion` of these arms (see `fairmem.drift.through.conversion`), null where an arm was not run; calls and
  tokens are of writing memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from fairmem.drift.answer import CallModel
from fairmem.drift.arms import Arm
from fairmem.drift.report import finite_json, report_audit
from fairmem.drift.runner import Progress, run_audit
from fairmem.drift.scenario import Scenario
from fairmem.drift.through.comparison_page import comparison_page
from fairmem.drift.through.recalled import AgentMemory
from fairmem.drift.through.system_result import compare_systems, main_arm
from fairmem.drift.trials import RUN, read_run
from fairmem.errors import CheckpointError, ConfigError
from fairmem.eval.page import to_html, to_markdown, to_text
from fairmem.replace import replace_text

SYSTEMS_FILE, COMPARISON = "systems.json", "comparison"
SYSTEMS_FORMAT, COMPARISON_FORMAT, VERSION = "fairmem-drift-systems", "fairmem-drift-comparison", 1


def run_systems(
    model: CallModel,
    scenarios: Sequence[Scenario],
    arms: Sequence[Arm],
    seeds: Sequence[int],
    folder: Path,
    memories: Mapping[str, AgentMemory | None],
    *,
    skipped: Mapping[str, str] | None = None,
    retry_failed: bool = False,
    progress: Callable[[str], Progress] = lambda _name: lambda _done, _planned: None,
) -> int:
    """Run the audit through each of `memories`, in `folder`; returns how many trials were asked.

    Args:
        model: Who is audited; `scenarios`, `arms`, `seeds` and `retry_failed` as for `run_audit`.
        scenarios: See there.
        arms: See there.
        seeds: See there.
        folder: Of the comparison; each memory has a folder of its own below it, called by its name.
        memories: Name -> memory; None is direct injection.
        skipped: Name -> why a memory that was asked for is not among them.
        retry_failed: See there.
        progress: Name -> progress of its run.

    Raises:
        ConfigError: as `run_audit`, or the folder holds something else.
        CheckpointError: as `run_audit`.
    """
    if (folder / RUN).exists() or (folder.exists() and any(folder.iterdir()) and not (folder / SYSTEMS_FILE).exists()):
        raise ConfigError(f"{folder}: not empty and not the folder of a comparison; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    before, missing = read_systems(folder) if (folder / SYSTEMS_FILE).exists() else ([], {})
    names = [*before, *(name for name in memories if name not in before)]
    left = {name: why for name, why in {**missing, **(skipped or {})}.items() if name not in names}
    content = {"format": SYSTEMS_FORMAT, "version": VERSION, "systems": names, "skipped": left}
    replace_text(folder / SYSTEMS_FILE, json.dumps(content, indent=2) + "\n")
    asked = 0
    for name, memory in memories.items():
        asked += run_audit(
            model,
            scenarios,
            arms,
            seeds,
            folder / name,
            memory=memory,
            retry_failed=retry_failed,
            progress=progress(name),
        )
    return asked


def read_systems(folder: Path) -> tuple[list[str], dict[str, str]]:
    """(names of the memories compared in `folder`, name -> why it was skipped).

    Raises:
        CheckpointError: `systems.json` is damaged or of another version.
    """
    path = folder / SYSTEMS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = [str(name) for name in content["systems"]], {str(k): str(v) for k, v in content["skipped"].items()}
        if (content["format"], content["version"]) != (SYSTEMS_FORMAT, VERSION):
            raise ValueError(f"{content['format']} {content['version']}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged, or of another version: {error}") from error
    return found


def report_systems(folder: Path) -> str:
    """Write the comparison in `folder` and the report of each run, and return the comparison as text.

    A memory that was not begun yet is named as such.

    Raises:
        CheckpointError: a file is damaged.
        ConfigError: the runs are of different scenarios, arms or models.
    """
    names, skipped = read_systems(folder)
    begun = [name for name in names if (folder / name / RUN).exists()]
    skipped = {**skipped, **{name: "not begun" for name in names if name not in begun}}
    for name in begun:
        report_audit(folder / name)
    runs = {name: read_run(folder / name) for name in begun}
    results = compare_systems(runs, folder)
    model, main = "", ""
    if runs:
        first = next(iter(runs.values()))
        model, main = first.header.model, main_arm(first)
    content = {
        "format": COMPARISON_FORMAT,
        "version": VERSION,
        "model": model,
        "main": main,
        "skipped": skipped,
        "systems": [asdict(result) for result in results],
    }
    page = comparison_page(model, main, results, skipped, runs)
    text = json.dumps(finite_json(content), indent=2, allow_nan=False)
    replace_text(folder / f"{COMPARISON}.json", text + "\n")
    replace_text(folder / f"{COMPARISON}.md", to_markdown(page))
    replace_text(folder / f"{COMPARISON}.html", to_html(page))
    return f"{to_text(page)}\nWritten to {folder}: {COMPARISON}.html, .md, .json; a report of each in its folder\n"
