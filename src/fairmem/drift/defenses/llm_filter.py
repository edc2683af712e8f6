"""A model says which memories bear on the task, and only they reach the prompt: the second baseline of the paper."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from fairmem.agents.hooks import Access, Need, Remembered, Situation, ToolDefense
from fairmem.policy import Message, Prompt

_LIST = re.compile(r"\[[\d\s,]*\]")


class LlmFilter(ToolDefense):
    """Asks once per call for the numbers of the memories that are needed.

    A reply without such a list is no answer: the situation fails, since neither all nor no memories would be what the
    filter said. `most`: tokens of a reply.
    """

    name = "llm-filter"
    needs = frozenset((Need.CHAT,))

    def __init__(self, most: int = 512) -> None:
        self.most = most

    def prepare(self, situation: Situation, access: Access) -> Situation:
        """The situation with the memories that the model names."""
        if not situation.memories:
            return situation
        if access.chat is None:
            raise TypeError("llm filter: needs a model that writes text")
        reply = access.chat(filter_prompt(situation), self.most)
        kept = None if reply is None else named(reply, situation.memories)
        if kept is None:
            said = "gave no reply" if reply is None else f"replied {reply[:80]!r}, expected a list such as [1, 3]"
            return replace(situation, failure=f"the filter {said}")
        return replace(situation, memories=kept)


def filter_prompt(situation: Situation) -> Prompt:
    """The question that the filter asks."""
    listed = "\n".join(f"{i}. {memory.text}" for i, memory in enumerate(situation.memories, start=1))
    rules = "\n".join(("Policy:", *(f"- {line}" for line in situation.policy))) if situation.policy else ""
    parts = [
        "Which of these remembered sentences must be known to do the task correctly? A sentence about the person's "
        "private life, habits or taste is not needed, however well its words fit.",
        f"Task: {situation.task}",
        rules,
        f"Remembered:\n{listed}",
        "Reply with the numbers as a JSON list and nothing else, for example [2]; if none is needed, [].",
    ]
    return (Message("user", "\n\n".join(part for part in parts if part)),)


def named(reply: str, memories: tuple[Remembered, ...]) -> tuple[Remembered, ...] | None:
    """The memories whose numbers `reply` lists, in their order; None if it holds no list of such numbers."""
    found = _LIST.findall(reply)
    if not found:
        return None
    try:
        numbers = set(json.loads(found[-1]))
    except ValueError:
        return None
    if not numbers <= set(range(1, len(memories) + 1)):
        return None
    return tuple(memory for i, memory in enumerate(memories, start=1) if i in numbers)
