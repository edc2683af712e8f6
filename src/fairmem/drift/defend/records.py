"""The files of a comparison of defences: what was run, on what, and every trial.

`defend_run.json` (format `fairmem-drift-defend`, version 1) holds the settings, `scenarios.jsonl` the scenarios and
`trials.jsonl` one line per finished trial, appended as it ends: the fields of a trial of an audit, and what the defence
did in it. A torn last line, left by a kill, is cut away when the run goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from fairmem.agents.hooks import Change
from fairmem.drift.answer import Ask
from fairmem.drift.defenses.defended import Defended
from fairmem.drift.scenario import Scenario
from fairmem.drift.trials import (
    TRIALS,
    FolderKind,
    Key,
    Trial,
    open_folder,
    read_header,
    read_records,
    read_scenarios,
)
from fairmem.errors import CheckpointError

DEFEND_FORMAT = "fairmem-drift-defend"
DEFEND_VERSION = 1
DEFEND_RUN = "defend_run.json"

UNDEFENDED = "undefended"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DefendHeader(_Record):
    """What was run.

    `undefended`: the arms without a defence, `arms` those of each defence; (name, memories). `refused`: defence -> why
    it could not be run. `defenses`: settings of the others and what they may use. `seeds`: one per trial. `digest`: of
    the scenarios.
    """

    format: str = DEFEND_FORMAT
    version: int = DEFEND_VERSION
    model: str
    exact: bool
    settings: dict[str, Any]
    names: tuple[str, ...]
    refused: dict[str, str]
    defenses: dict[str, Any]
    undefended: tuple[tuple[str, int], ...]
    arms: tuple[tuple[str, int], ...]
    seeds: tuple[int, ...]
    digest: str


_DEFEND = FolderKind(DEFEND_RUN, DefendHeader, DEFEND_FORMAT, DEFEND_VERSION, "drift defend")


class ChangeRecord(_Record):
    """See `fairmem.agents.hooks.Change`."""

    pointer: str
    before: Any = None
    after: Any = None
    reason: str
    entries: tuple[str, ...] = ()
    escalate: bool = False


class DefendedTrial(Trial):
    """A trial through a defence.

    Attributes:
        defense: Its name, or `undefended`.
        reached: Ids of the memories that reached the model; `shown` are those there were.
        changes: What was changed.
        calls: Of any model, with the first; tokens are of all of them.
        seconds: Wall clock, all of them.
    """

    defense: str
    reached: tuple[str, ...] = ()
    changes: tuple[ChangeRecord, ...] = ()
    calls: int = 1
    seconds: float = 0.0

    @property
    def key(self) -> Key:
        """What identifies it in a run."""
        return self.scenario, f"{self.defense}/{self.arm}", self.trial

    @property
    def tokens(self) -> int:
        """Of prompts and replies, as the backend reports them."""
        return self.prompt_tokens + self.generated_tokens


def record_of(ask: Ask, done: Defended, defense: str) -> DefendedTrial:
    """The line of a trial."""
    trial = Trial.of(ask, done.answer).model_dump()
    return DefendedTrial.model_validate(
        trial
        | {
            "prompt_tokens": done.costs.prompt_tokens,
            "generated_tokens": done.costs.generated_tokens,
            "defense": defense,
            "reached": done.reached,
            "changes": [_record(change) for change in done.changes],
            "calls": done.costs.calls,
            "seconds": done.costs.seconds,
        }
    )


def _record(change: Change) -> dict[str, Any]:
    return {
        "pointer": change.pointer,
        "before": change.before,
        "after": change.after,
        "reason": change.reason,
        "entries": change.entries,
        "escalate": change.escalate,
    }


@dataclass(frozen=True, slots=True)
class DefendRun:
    """A comparison as it lies in its folder; the latest trial of a key counts."""

    header: DefendHeader
    scenarios: dict[str, Scenario]
    trials: dict[Key, DefendedTrial]

    @property
    def planned(self) -> int:
        """Trials that a finished run has."""
        header = self.header
        each = len(header.undefended) + len(header.names) * len(header.arms)
        return len(self.scenarios) * len(header.seeds) * each


def open_defend(folder: Path, header: DefendHeader, scenarios: Sequence[Scenario]) -> dict[Key, DefendedTrial]:
    """Begin a run in `folder`, or go on with the one there; returns the trials it already has.

    Raises:
        ConfigError: the folder holds something else; the message names what differs.
        CheckpointError: a file of it is damaged.
    """
    return open_folder(_DEFEND, folder, header, scenarios, DefendedTrial)


def read_defend(folder: Path) -> DefendRun:
    """The run in `folder`.

    Raises:
        ConfigError: not the folder of such a run.
        CheckpointError: a file of it is damaged, or is not of this run.
    """
    header = read_header(_DEFEND, folder)
    scenarios = read_scenarios(folder, header.digest)
    trials = read_records(folder / TRIALS, DefendedTrial)
    known = {f"{UNDEFENDED}/{arm}" for arm, _ in header.undefended}
    known |= {f"{name}/{arm}" for name in header.names for arm, _ in header.arms}
    for scenario, arm, trial in trials:
        if scenario not in scenarios or arm not in known or not 0 <= trial < len(header.seeds):
            raise CheckpointError(f"{folder / TRIALS}: {(scenario, arm, trial)} is no trial of this run")
    return DefendRun(header, scenarios, trials)
