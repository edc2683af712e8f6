"""The messages of a trial. Arms differ in the memory block, or in the one line of the explicit instruction.

A defence may add a note after the memories.
"""

from __future__ import annotations

from fairmem.drift.answer import Ask
from fairmem.drift.scenario import Scenario
from fairmem.policy import Message, Prompt
from fairmem.policy.calls import ToolSpec, text_instruction

MEMORY_HEADING = "What is remembered about the user from earlier conversations:"
REPAIR = "Your reply was not valid JSON. Send the call again, corrected, and nothing else."


def tool_specs(scenario: Scenario) -> tuple[ToolSpec, ...]:
    """The tools of `scenario` as an endpoint is told about them."""
    return tuple(ToolSpec(tool.name, tool.description, tool.input_schema) for tool in scenario.tools)


def messages(ask: Ask, *, in_text: bool) -> Prompt:
    """The prompt of `ask`; with `in_text` the tools are described in it and the call is asked for as JSON."""
    scenario = ask.scenario
    parts = [scenario.system]
    if scenario.policy:
        parts.append("\n".join(["Policy:", *(f"- {line}" for line in scenario.policy)]))
    if in_text:
        parts.append(text_instruction(tool_specs(scenario)))
    if ask.memories:
        parts.append("\n".join([MEMORY_HEADING, *(f"- {memory.text}" for memory in ask.memories)]))
    if ask.note:
        parts.append(ask.note)
    if ask.instruction:
        parts.append(ask.instruction)
    task = scenario.task if in_text else f"{scenario.task}\nUse a tool, and choose all its parameters yourself."
    return (Message("system", "\n\n".join(parts)), Message("user", task))
