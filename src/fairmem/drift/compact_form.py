"""How small models of the `compact` family are asked for a call, and how their reply is read.

The same parts as in the JSON form, in the words of `fairmem.agents.tooluser`: memories, then system, policy, a
defence's note, an explicit instruction and the task in one line, then the tools.
"""

from __future__ import annotations

from typing import Any

from fairmem.agents.tooluser import (
    compact_call_until,
    parse_compact_call,
    render_compact_call,
)
from fairmem.agents.wording import compact_line
from fairmem.drift.answer import Answer, Ask, Outcome, answer_in_text
from fairmem.drift.prompt import tool_specs
from fairmem.drift.schema import parts
from fairmem.policy import Message, Prompt
from fairmem.policy.calls import ToolSpec


def tool_of(ask: Ask) -> ToolSpec:
    """The expected tool as a model is told about it."""
    return next(tool for tool in tool_specs(ask.scenario) if tool.name == ask.scenario.expected_tool)


class CompactForm:
    """See the module; a `fairmem.drift.local.Form`."""

    name = "compact"

    def prompt(self, ask: Ask) -> Prompt:
        """One user message."""
        memories = [memory.text for memory in ask.memories]
        return (Message("user", render_compact_call(memories, _task(ask), tool_specs(ask.scenario))),)

    def call(self, ask: Ask, pointer: str, value: Any) -> str:
        """The call up to the end of the line that sets `pointer`; what stands before is of the reference call."""
        return compact_call_until(tool_of(ask), ask.scenario.reference_call, parts(pointer), value)

    def read(self, ask: Ask, text: str, *, truncated: bool = False) -> Answer:
        """The answer in a reply."""
        reply = parse_compact_call(text, truncated, tool_specs(ask.scenario))
        # A line that was cut is no shorter value: whatever is not whole was cut.
        cut = set(Outcome) - {Outcome.OK} if truncated else ()
        return answer_in_text(ask.scenario, reply, text, cut)

    def parts(self, ask: Ask) -> list[tuple[str, str]]:
        """(part, its text) as they follow each other in the prompt; the schema is that of the first tool."""
        first = tool_specs(ask.scenario)[0]
        shown = [(f"memory {i}", compact_line(memory.text)) for i, memory in enumerate(ask.memories)]
        tools = render_compact_call((), "", (first,)).split("<facts>\n")[1].removesuffix("\n<out>\n")
        system, task = compact_line(ask.scenario.system), compact_line(ask.scenario.task)
        return [*shown, ("system", system), ("task", task), ("schema", tools)]


def _task(ask: Ask) -> str:
    scenario = ask.scenario
    return " ".join(filter(None, (scenario.system, *scenario.policy, ask.note, ask.instruction, scenario.task)))
