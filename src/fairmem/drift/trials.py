"""The files of an audit: what was run, the scenarios it was run on, and every trial.

`run.json` (format `fairmem-drift`, version 1) holds the settings, `scenarios.jsonl` the scenarios, and `trials.jsonl`
one line per finished trial, appended as it ends. A torn last line, left by a kill, is cut away when the run goes on.
Deflections are not stored: they are computed from the calls, so a changed definition needs no new run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from fairmem.drift.answer import Answer, Ask, Outcome
from fairmem.drift.deflection import call_deflection, expected_deflection
from fairmem.drift.expectations import success
from fairmem.drift.files import digest, load_scenarios
from fairmem.drift.scenario import Scenario
from fairmem.errors import CheckpointError, ConfigError, DataError

DRIFT_FORMAT = "fairmem-drift"
DRIFT_VERSION = 1

RUN, SCENARIOS, TRIALS = "run.json", "scenarios.jsonl", "trials.jsonl"

Key = tuple[str, str, int]
"""(scenario, arm, trial)."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunHeader(_Record):
    """What was run. `seeds` has one per trial; `digest` is of the scenarios."""

    format: str = DRIFT_FORMAT
    version: int = DRIFT_VERSION
    model: str
    exact: bool
    settings: dict[str, Any]
    arms: tuple[tuple[str, int], ...]
    seeds: tuple[int, ...]
    digest: str


class Trial(_Record):
    """One trial, as `fairmem.drift.answer.Answer`, with the memories that were shown."""

    scenario: str
    arm: str
    trial: int
    seed: int
    shown: tuple[str, ...]
    outcome: Outcome
    tool: str | None = None
    arguments: dict[str, Any] | None = None
    distribution: dict[str, list[tuple[Any, float]]] | None = None
    rung: str = ""
    repaired: bool = False
    attempts: int = 1
    message: str = ""
    raw: str = ""
    prompt_tokens: int = 0
    generated_tokens: int = 0

    @classmethod
    def of(cls, ask: Ask, answer: Answer) -> Self:
        """The record of `answer` to `ask`."""
        distribution = answer.distribution
        return cls(
            scenario=ask.scenario.id,
            arm=ask.arm,
            trial=ask.trial,
            seed=ask.seed,
            shown=tuple(memory.id for memory in ask.memories),
            outcome=answer.outcome,
            tool=answer.tool,
            arguments=None if answer.arguments is None else dict(answer.arguments),
            distribution=None if distribution is None else {p: list(pairs) for p, pairs in distribution.items()},
            rung=answer.rung,
            repaired=answer.repaired,
            attempts=answer.attempts,
            message=answer.message,
            raw=answer.raw,
            prompt_tokens=answer.prompt_tokens,
            generated_tokens=answer.generated_tokens,
        )

    @property
    def key(self) -> Key:
        """What identifies it in a run."""
        return self.scenario, self.arm, self.trial

    def deflection(self, scenario: Scenario) -> float | None:
        """D of the call, E[D] of a distribution; None unless the outcome is `ok` and a target counts."""
        if self.outcome is not Outcome.OK:
            return None
        if self.distribution is not None:
            return expected_deflection(scenario, self.distribution)
        return None if self.arguments is None else call_deflection(scenario, self.arguments)

    def success(self, scenario: Scenario) -> float | None:
        """Whether the relevant memory's wish is met, or its probability; None unless the outcome is `ok`."""
        return success(scenario, self.arguments, self.distribution) if self.outcome is Outcome.OK else None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it lies in its folder; the latest trial of a key counts, in order of keys."""

    header: RunHeader
    scenarios: dict[str, Scenario]
    trials: dict[Key, Trial]

    @property
    def planned(self) -> int:
        """Trials that a finished run has."""
        return len(self.scenarios) * len(self.header.arms) * len(self.header.seeds)


AnyHeader = TypeVar("AnyHeader", bound=BaseModel)
AnyTrial = TypeVar("AnyTrial", bound=Trial)


@dataclass(frozen=True, slots=True)
class FolderKind(Generic[AnyHeader]):
    """A kind of folder that holds a header, scenarios, and trials that are appended.

    Attributes:
        file: Of the header, which is of the class `header`, with `format` and `version` among its fields.
        header: See there.
        format: What the header has to say.
        version: Likewise.
        name: Of the folder's kind, for messages.
    """

    file: str
    header: type[AnyHeader]
    format: str
    version: int
    name: str


_DRIFT_RUN = FolderKind(RUN, RunHeader, DRIFT_FORMAT, DRIFT_VERSION, "drift run")


def open_run(folder: Path, header: RunHeader, scenarios: Sequence[Scenario]) -> dict[Key, Trial]:
    """Begin a run in `folder`, or go on with the one there; returns the trials it already has.

    Raises:
        ConfigError: the folder holds a run of something else; the message names what differs.
        CheckpointError: a file of it is damaged.
    """
    return open_folder(_DRIFT_RUN, folder, header, scenarios, Trial)


def open_folder(
    kind: FolderKind[AnyHeader],
    folder: Path,
    header: AnyHeader,
    scenarios: Sequence[Scenario],
    trial: type[AnyTrial],
) -> dict[Key, AnyTrial]:
    """`open_run` for any kind of folder and of trial."""
    if not (folder / kind.file).exists():
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder}: not empty and not the folder of a {kind.name}; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(scenario.model_dump_json(by_alias=True) + "\n" for scenario in scenarios)
        (folder / SCENARIOS).write_text(lines, encoding="utf-8")
        (folder / TRIALS).touch()
        (folder / kind.file).write_text(header.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return {}
    mine, theirs = header.model_dump(mode="json"), read_header(kind, folder).model_dump(mode="json")
    for name, value in mine.items():
        if theirs[name] != value:
            raise ConfigError(f"{folder}: its run has {name} {theirs[name]}, this one {value}; choose another --out")
    return read_records(folder / TRIALS, trial, cut=True)


def read_run(folder: Path) -> Run:
    """The run in `folder`.

    Raises:
        ConfigError: not the folder of a drift run.
        CheckpointError: a file of it is damaged, or is not of this run.
    """
    header = read_header(_DRIFT_RUN, folder)
    scenarios = read_scenarios(folder, header.digest)
    trials = read_trials(folder / TRIALS)
    arms = {name for name, _ in header.arms}
    for trial in trials.values():
        if trial.scenario not in scenarios or trial.arm not in arms or not 0 <= trial.trial < len(header.seeds):
            raise CheckpointError(f"{folder / TRIALS}: {trial.key} is no trial of this run")
    return Run(header, scenarios, trials)


def read_header(kind: FolderKind[AnyHeader], folder: Path) -> AnyHeader:
    """The header of `folder`.

    Raises:
        ConfigError: not a folder of this kind.
        CheckpointError: the header is damaged, or of another version.
    """
    path = folder / kind.file
    if not path.is_file():
        raise ConfigError(f"{folder}: not the folder of a {kind.name} (it has no {kind.file})")
    try:
        header = kind.header.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CheckpointError(f"{path} is damaged: {error.errors()[0]['msg']}") from error
    fields: Mapping[str, Any] = header.model_dump()
    if (fields["format"], fields["version"]) != (kind.format, kind.version):
        raise CheckpointError(f"{path}: {fields['format']} {fields['version']}, expected {kind.format} {kind.version}")
    return header


def read_scenarios(folder: Path, expected: str) -> dict[str, Scenario]:
    """The scenarios of `folder` by id.

    Raises:
        CheckpointError: they cannot be read, or their digest is not `expected`.
    """
    try:
        scenarios = {scenario.id: scenario for scenario in load_scenarios(folder / SCENARIOS)}
    except DataError as error:
        raise CheckpointError(f"{folder}: its scenarios cannot be read: {error}") from error
    if digest(scenarios.values()) != expected:
        raise CheckpointError(f"{folder / SCENARIOS} was changed after the run began")
    return scenarios


def read_trials(path: Path, *, cut: bool = False) -> dict[Key, Trial]:
    """The trials of a file by key, sorted; `cut` removes a torn last line from the file.

    Raises:
        CheckpointError: another line is damaged.
    """
    return read_records(path, Trial, cut=cut)


def read_records(path: Path, kind: type[AnyTrial], *, cut: bool = False) -> dict[Key, AnyTrial]:
    """`read_trials` for trials with more fields.

    Raises:
        CheckpointError: another line is damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: not there; the run's folder is damaged")
    content = path.read_bytes()
    whole, _, torn = content.rpartition(b"\n")
    if torn and cut:
        with path.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    found: dict[Key, AnyTrial] = {}
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            trial = kind.model_validate_json(line)
        except ValidationError as error:
            raise CheckpointError(f"{path}: line {number} is damaged ({error.error_count()} errors)") from error
        found[trial.key] = trial
    return dict(sorted(found.items()))


def line_of(trial: Trial) -> str:
    """The line of `trial` in the file."""
    fields: Mapping[str, Any] = trial.model_dump(mode="json")
    return json.dumps(fields, allow_nan=False) + "\n"
