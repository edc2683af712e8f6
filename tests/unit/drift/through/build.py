"""A scenario whose expected deflection is one logistic function, and a memory that recalls what a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairmem.drift.arms import Arm
from fairmem.drift.scenario import Scenario
from fairmem.drift.through import Line, Recalled, RecallFile, tell
from tests.unit.drift.builders import SMALL, small


def approval(number: int, **changes: Any) -> Scenario:
    """The small scenario with `approval` alone watched: D is the probability of false."""
    free = ["/build", "/health_seconds", "/strategy"]
    only = {"targets": [SMALL["targets"][2]], "free_pointers": free, "memories__relevant__0__expects": {}}
    wish = {"/approval": {"values": ["false"]}}
    return small(id=f"risk-test-{number}", **{**only, "memories__relevant__0__expects": wish, **changes})


class Planned:
    """An `AgentMemory` that recalls those told memories that the plan names, or fails where the plan says None."""

    settings: Mapping[str, Any] = {"through": "planned"}

    def __init__(self, plan: Mapping[tuple[str, str], Sequence[str] | None]) -> None:
        self._plan = plan

    def recall(
        self, scenarios: Sequence[Scenario], arms: Sequence[Arm], folder: Path, *, retry_failed: bool
    ) -> dict[tuple[str, str], Recalled]:
        file = RecallFile.open(folder)
        for scenario in scenarios:
            for arm in (arm for arm in arms if arm.count):
                place = (scenario.id, arm.name)
                failed = place in file.records and file.records[place].failure is not None
                if place not in file.records or (failed and retry_failed):
                    file.add(self._record(scenario, arm))
        return dict(file.records)

    def _record(self, scenario: Scenario, arm: Arm) -> Recalled:
        told = tell(scenario, arm).memories
        ids = [memory.id for memory in told.values()]
        wanted = self._plan.get((scenario.id, arm.name), ids)
        lines = [Line(id=memory.id, text=memory.text, sources=(turn,)) for turn, memory in told.items()]
        return Recalled(
            scenario=scenario.id,
            arm=arm.name,
            told=tuple((turn, memory.id) for turn, memory in told.items()),
            traces=True,
            query=scenario.task,
            stored=() if wanted is None else tuple(lines),
            found=() if wanted is None else tuple(id for id in wanted if id in ids),
            failure="call_failed: down" if wanted is None else None,
        )
