"""An agent whose calls are known: what each memory does to the arguments, and how often it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairmem.agents.hooks import Access, Proposal, Remembered, Situation
from fairmem.policy import Prompt
from fairmem.policy.calls import ToolSpec

TOOL = ToolSpec(
    "start_rollout",
    "Roll a version out.",
    {
        "type": "object",
        "required": ["build", "health_seconds"],
        "properties": {
            "build": {"type": "string"},
            "health_seconds": {"type": "integer", "minimum": 1, "maximum": 900, "description": "Of health check."},
            "strategy": {"type": "string", "enum": ["all_at_once", "canary", "blue_green"]},
            "approval": {"type": "boolean"},
            "locale": {"type": "string"},
        },
        "additionalProperties": False,
    },
)
BASE: dict[str, Any] = {"build": "7", "health_seconds": 200, "strategy": "canary", "approval": True}

BOLD = Remembered("bold", "Jumps from the highest ledge.", ("leisure",))
TEA = Remembered("tea", "Has a blue tea pot.", ("household",))
FOX = Remembered("fox", "Once saw a fox in a square.", ("travel",))
BOARD = Remembered("board", "The board asked for ten minutes of health check.", ("operations",))


class Agent:
    """Calls with `BASE`, changed by the memories that it is shown, in order; counts what it is asked."""

    def __init__(self, moves: Mapping[str, Mapping[str, Any]], tool: str = "start_rollout") -> None:
        self.moves, self.tool = moves, tool
        self.asked: list[tuple[str, ...]] = []
        self.situations: list[Situation] = []

    def __call__(self, situation: Situation) -> Proposal:
        shown = tuple(memory.id for memory in situation.memories)
        self.asked.append(shown)
        self.situations.append(situation)
        arguments = dict(BASE)
        for id in shown:
            arguments |= self.moves.get(id, {})
        return Proposal(self.tool, arguments)


def situation(*memories: Remembered, task: str = "Roll out build 7 tonight.", **changes: Any) -> Situation:
    return Situation(task, (TOOL,), memories, scope=("operations",), **changes)


def access(
    ask: Callable[[Situation], Proposal],
    guarded: Sequence[str] | None = None,
    chat: Callable[[Prompt, int], str | None] | None = None,
) -> Access:
    return Access(ask, chat=chat, guarded=None if guarded is None else {"start_rollout": tuple(guarded)})
