"""Where something may step between memory and a model: before the prompt, on the tools, at decoding, after a call.

`Defense` is the small seam that any agent with a memory has: it chooses the entries that reach a prompt. A
`ToolDefense` steps in at four places of a tool call, and is a `Defense` as well, so one object can be benchmarked
(`fairmem drift defend`), served (`call_with`) and trained against. Ready ones: `fairmem.drift.defenses`.

Nothing here knows drift or its benchmark: a `Situation` is what any agent is in before it calls a tool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from fairmem.memory import Embedder, Entry
from fairmem.policy import Prompt
from fairmem.policy.calls import ToolSpec


class Defense(Protocol):
    """Decides which retrieved entries reach a prompt, for example to hold back what has no bearing on the task."""

    def before_prompt(self, entries: Sequence[Entry], task: str) -> Sequence[Entry]:
        """The entries to show for `task` (a question or an instruction), in order; normally some of `entries`."""
        ...


@dataclass(frozen=True, slots=True)
class Remembered:
    """One remembered sentence. `scope`: the areas of life or work it belongs to; empty where nobody tagged it."""

    id: str
    text: str
    scope: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """What an agent has before it, about to call a tool.

    Attributes:
        task: What the user asks for.
        tools: The tools on offer.
        memories: What would be shown of memory, in order.
        system: The system prompt.
        policy: Rules that the operator gives, one a line.
        results: What earlier tool calls returned.
        scope: The areas that the task belongs to, in the vocabulary of `Remembered.scope`.
        note: What a defence adds to the prompt, after the memories.
        failure: Why a defence could not prepare it; the call is then not made.
    """

    task: str
    tools: tuple[ToolSpec, ...] = ()
    memories: tuple[Remembered, ...] = ()
    system: str = ""
    policy: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    note: str = ""
    failure: str = ""

    def tool(self, name: str | None) -> ToolSpec | None:
        """The tool called `name`, if it is on offer."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def within_scope(self) -> tuple[Remembered, ...]:
        """The memories that share an area with the task; untagged ones do not."""
        return tuple(memory for memory in self.memories if set(memory.scope) & set(self.scope))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tool call that a model proposes.

    Attributes:
        tool: Its tool; None without a call.
        arguments: Its arguments; None where only distributions are known.
        distribution: Pointer of a parameter -> (value, probability) pairs, where the model's own distribution over the
            values is known instead.
        failure: Why this is no usable call; empty for one that is.
        source: Whatever the one who asked wants back with it.
    """

    tool: str | None
    arguments: Mapping[str, Any] | None = None
    distribution: Mapping[str, Sequence[tuple[Any, float]]] | None = None
    failure: str = ""
    source: object = None


@dataclass(frozen=True, slots=True)
class Change:
    """One argument that a defence changed, or would not let pass without a person.

    Attributes:
        pointer: JSON pointer of the argument; empty for the whole call.
        before: Value proposed; of a distribution, the likeliest.
        after: Value given, likewise.
        reason: Why, in a few words.
        entries: Ids of the memories that moved it, where the defence looked.
        escalate: A person should decide; the value is left as it was.
    """

    pointer: str
    before: Any
    after: Any
    reason: str
    entries: tuple[str, ...] = ()
    escalate: bool = False


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A call after its defence.

    Attributes:
        proposal: The call to make; do not make one that has a `failure`.
        changes: What was changed.
        proposed: The call before the defence changed it; None if there was none.
        shown: Ids of the memories that reached the model.
    """

    proposal: Proposal
    changes: tuple[Change, ...] = ()
    proposed: Proposal | None = None
    shown: tuple[str, ...] = ()

    @property
    def escalated(self) -> bool:
        """Whether a person should see the call before it is made."""
        return any(change.escalate for change in self.changes)


class Need(StrEnum):
    """What a defence cannot work without."""

    EMBEDDER = "embedder"
    CHAT = "chat"
    """A model that writes text."""
    SCORES = "scores"
    """The model's probabilities of values."""
    STATES = "states"
    """The hidden states of a model in this process."""
    FINDINGS = "findings"
    """Which parameters to guard, from `fairmem drift scan`."""


NEED_TEXTS: dict[Need, str] = {
    Need.EMBEDDER: "an embedder",
    Need.CHAT: "a model that writes text",
    Need.SCORES: "the model's probabilities of values",
    Need.STATES: "the hidden states of a model in this process",
    Need.FINDINGS: "findings of a scan of the tools",
}
"""What each need is, for messages."""

Layers = Mapping[int, Any]
"""Decoder block -> function of its output."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a defence may use while it decides. What is None cannot be had.

    Attributes:
        ask: Asks the agent's model for a call in a situation, however often.
        chat: (prompt, most tokens) -> the text that a model writes, or None if it gave none.
        embedder: Turns texts into vectors.
        scores: Answers of `ask` are distributions.
        ask_changed: As `ask`, with the outputs of decoder blocks changed from the last token of the prompt on.
        guarded: Tool -> pointers of the parameters to guard, from a scan of the tools
            (`fairmem.drift.defenses.guarded_pointers`).
    """

    ask: Callable[[Situation], Proposal]
    chat: Callable[[Prompt, int], str | None] | None = None
    embedder: Embedder | None = None
    scores: bool = False
    ask_changed: Callable[[Situation, Layers], Proposal] | None = None
    guarded: Mapping[str, Sequence[str]] | None = None

    def guards(self, tool: str | None) -> frozenset[str]:
        """Pointers of the guarded parameters of `tool`."""
        return frozenset((self.guarded or {}).get(tool or "", ()))

    def gives(self) -> frozenset[Need]:
        """The needs that are met."""
        there = {
            Need.EMBEDDER: self.embedder is not None,
            Need.CHAT: self.chat is not None,
            Need.SCORES: self.scores,
            Need.STATES: self.ask_changed is not None,
            Need.FINDINGS: self.guarded is not None,
        }
        return frozenset(need for need, met in there.items() if met)


class ToolDefense:
    """Does nothing at any of the four places; a defence overrides those where it steps in.

    Attributes:
        name: As tables and `--defense` call it.
        needs: See `Need`.
    """

    name: ClassVar[str] = "undefended"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def prepare(self, situation: Situation, access: Access) -> Situation:
        """Before the prompt: which memories reach it, and what note is added."""
        return situation

    def tighten(self, tools: Sequence[ToolSpec]) -> Sequence[ToolSpec]:
        """On the tools: what the model is told of them."""
        return tools

    def decode(self, situation: Situation, access: Access) -> Proposal:
        """The model's call. Overridden by what changes how values come about."""
        return access.ask(situation)

    def review(self, proposal: Proposal, situation: Situation, access: Access) -> Reviewed:
        """After a usable call is proposed, before it is made. May ask the model again."""
        return Reviewed(proposal)

    def before_prompt(self, entries: Sequence[Entry], task: str) -> Sequence[Entry]:
        """The seam of `Defense`: `prepare`, for the entries of a bank, which carry no scopes.

        A defence that needs more than an embedder or its own settings cannot be used here: it raises TypeError.
        """
        by_id = {str(entry.id): entry for entry in entries}
        asked = Situation(task, memories=tuple(Remembered(id, entry.content) for id, entry in by_id.items()))
        found = self.prepare(asked, self._alone())
        return [by_id[memory.id] for memory in found.memories]

    def _alone(self) -> Access:
        def ask(_: Situation) -> Proposal:
            raise TypeError(f"{self.name} asks the model, so it cannot only choose entries; use call_with")

        return Access(ask)


def call_with(defense: ToolDefense, situation: Situation, access: Access) -> Reviewed:
    """The call that `defense` lets through in `situation`.

    Raises:
        ValueError: `access` does not give what the defence needs.
    """
    missing = defense.needs - access.gives()
    if missing:
        raise ValueError(f"{defense.name} needs {', '.join(sorted(NEED_TEXTS[need] for need in missing))}")
    prepared = defense.prepare(situation, access)
    shown = tuple(memory.id for memory in prepared.memories)
    if prepared.failure:
        return Reviewed(Proposal(None, failure=prepared.failure), shown=shown)
    prepared = replace(prepared, tools=tuple(defense.tighten(prepared.tools)))
    proposal = defense.decode(prepared, access)
    if proposal.failure:
        return Reviewed(proposal, shown=shown)
    found = defense.review(proposal, prepared, access)
    return replace(found, proposed=found.proposed or proposal, shown=shown)
