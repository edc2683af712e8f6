"""The conversation in which an arm's memories are told, before any memory system has seen them.

A person dictates their notes to an assistant, one remembered sentence a turn, four a session, sessions a week apart.
The sentence stands in the turn word for word: so it is the same in every arm but for itself, it fits sentences of any
form, and whatever a system makes of it can be compared with what was said. The words around it depend on the place
alone. The order is that of the first trial: a memory is built once per arm and asked in every trial.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fairmem.drift.arms import Arm, shown
from fairmem.drift.scenario import Memory, Scenario
from fairmem.types import Conversation, Session, Turn

USER, ASSISTANT = "Robin", "Assistant"
FIRST_SESSION = datetime(2026, 1, 5, 19, 30)
PER_SESSION = 4
"""Sentences told in one session."""

_GREETINGS = ("Good evening, Robin.", "Good evening, Robin, here we are again.")
_LEADS = ("My notes say: {}", "I wrote this down lately: {}", "I have another line here: {}", "My next line is: {}")
_NODS = ("Thank you, noted.", "Good to know.", "All right, go on.", "Thank you, that was a lot.")


@dataclass(frozen=True, slots=True)
class Told:
    """A conversation, and which memory each of its turns told: turn id -> memory."""

    conversation: Conversation
    memories: dict[str, Memory]


def tell(scenario: Scenario, arm: Arm) -> Told:
    """The conversation that tells what `arm` has in memory; without sessions if that is nothing."""
    remembered = shown(arm, scenario, trial=0)
    sessions: list[Session] = []
    told: dict[str, Memory] = {}
    for start in range(0, len(remembered), PER_SESSION):
        index = len(sessions) + 1
        turns = [Turn(f"D{index}:1", ASSISTANT, _GREETINGS[min(index, len(_GREETINGS)) - 1])]
        for place, memory in enumerate(remembered[start : start + PER_SESSION]):
            turn = Turn(f"D{index}:{len(turns) + 1}", USER, _LEADS[place].format(memory.text))
            told[turn.id] = memory
            turns += [turn, Turn(f"D{index}:{len(turns) + 2}", ASSISTANT, _NODS[place])]
        sessions.append(Session(index, FIRST_SESSION + timedelta(weeks=index - 1), tuple(turns)))
    conversation = Conversation(f"{scenario.id} {arm.name}", (USER, ASSISTANT), tuple(sessions))
    return Told(conversation, told)
