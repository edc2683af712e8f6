"""What a memory system kept of an arm's conversation, and what it recalled for the task.

`recall.jsonl` of a run has one line per scenario and arm that tells something: `Recalled`. Exposure is not stored: it
is computed from these lines, so a changed rule needs no new run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from fairmem.drift.arms import Arm
from fairmem.drift.scenario import Memory, Scenario
from fairmem.drift.through.exposure import carried
from fairmem.errors import CheckpointError
from fairmem.eval.calls import read_lines

RECALL = "recall.jsonl"

DIRECT = "direct"
"""Name of no memory system: the arm's memories go into the prompt as they are."""

Place = tuple[str, str]
"""(scenario, arm)."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_Record):
    """One entry of a memory: `sources` are the turns it names, empty where a system names none."""

    id: str
    text: str
    sources: tuple[str, ...] = ()


class Recalled(_Record):
    """One memory, built and asked.

    Attributes:
        told: (turn id, memory id), in the order of the conversation.
        traces: Whether entries name their turns, so that exposure is known by provenance.
        query: What the memory was searched for.
        stored: The live entries after the last session.
        found: Ids of those that go into the prompt, best first.
        failure: Why there is no memory, or none that can be searched; None if there is.
        calls: Model calls that built it, `prompt_tokens` and `reply_tokens` likewise.
    """

    scenario: str
    arm: str
    told: tuple[tuple[str, str], ...]
    traces: bool
    query: str
    stored: tuple[Line, ...] = ()
    found: tuple[str, ...] = ()
    failure: str | None = None
    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0

    @property
    def place(self) -> Place:
        """What identifies it in a run."""
        return self.scenario, self.arm

    @property
    def lines(self) -> tuple[Line, ...]:
        """The entries that go into the prompt, best first."""
        held = {line.id: line for line in self.stored}
        return tuple(held[id] for id in self.found if id in held)

    def memories(self, scenario: Scenario) -> tuple[Memory, ...]:
        """The recalled entries as memories of a prompt.

        Polarity and expectations are those of the told memories that an entry carries; no prompt shows them, the
        closed-form model goes by them. An entry that carries several has the sign of their sum.
        """
        known = by_id(scenario)
        found: list[Memory] = []
        for line in self.lines:
            held = [known[id] for turn, id in self.told if carried(known[id].text, turn, line, traces=self.traces)]
            pull = sum(memory.polarity for memory in held)
            expects = {pointer: wish for memory in held for pointer, wish in memory.expects.items()}
            polarity: Literal[-1, 0, 1] = 1 if pull > 0 else -1 if pull < 0 else 0
            found.append(Memory(id=line.id, text=line.text, scope=(), polarity=polarity, expects=expects))
        return tuple(found)


def by_id(scenario: Scenario) -> dict[str, Memory]:
    """Every memory of `scenario` by its id."""
    memories = scenario.memories
    groups = (memories.biased, memories.biased_opposite, memories.neutral, memories.relevant)
    return {memory.id: memory for group in groups for memory in group}


class AgentMemory(Protocol):
    """The memory that stands between what was told and the prompt.

    Attributes:
        settings: What decides what is recalled, for the record of the run.
    """

    settings: Mapping[str, Any]

    def recall(
        self, scenarios: Sequence[Scenario], arms: Sequence[Arm], folder: Path, *, retry_failed: bool
    ) -> dict[Place, Recalled]:
        """What is recalled in every arm that tells something; built where `folder` does not have it yet.

        A memory that cannot be built or searched is a `Recalled` with its failure, no exception.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecallFile:
    """The memories of a run by scenario and arm; the latest line of a place counts."""

    path: Path
    records: dict[Place, Recalled]

    @classmethod
    def open(cls, folder: Path) -> RecallFile:
        """The file in `folder`; a torn last line is cut off it.

        Raises:
            CheckpointError: another line is damaged.
        """
        path = folder / RECALL
        records: dict[Place, Recalled] = {}
        for number, line in enumerate(read_lines(path), start=1):
            try:
                record = Recalled.model_validate(line)
            except ValidationError as error:
                raise CheckpointError(f"{path}: line {number} is damaged ({error.error_count()} errors)") from error
            records[record.place] = record
        return cls(path, records)

    def add(self, record: Recalled) -> None:
        """Keep `record`, on disk at once."""
        with self.path.open("a", encoding="utf-8") as out:
            out.write(record.model_dump_json() + "\n")
        self.records[record.place] = record
