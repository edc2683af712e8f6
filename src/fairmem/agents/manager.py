"""The manager: reads new facts beside the stored entries they may concern, decides how memory changes.

Source: Memory-R2 (arXiv 2605.21768), memory manager, and Memory-R1 (2508.19828) for the four operations.
Retrieval: for each fact the `per_fact` nearest entries of exactly its speaker, at least `min_score` near; of
their union the `max_related` nearest to any fact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fairmem.agents.compact import Change, parse_compact_decision, render_compact_manage
from fairmem.agents.context import Fact, TurnContext, nearest
from fairmem.agents.decision import Decision, json_lines, memory_rows, read_operations
from fairmem.agents.prompts import load_prompt
from fairmem.agents.wording import long_date, one_line
from fairmem.memory import Delete, Entry, Hit, Insert, MemoryBank, Noop, Op, Retriever, Update
from fairmem.policy import Family, Message, Prompt
from fairmem.trace import Role


@dataclass(frozen=True, slots=True)
class Manager:
    """Retrieval, prompt and parser of the manager role.

    Attributes:
        family: Prompt family the model understands.
        retriever: Ranks entries by nearness to a fact.
        per_fact: Most entries found for one fact.
        max_related: Most entries shown.
        min_score: Least score, in the retriever's own unit, of an entry that is shown.
        max_tokens: Most tokens of a reply.

    Raises:
        ConfigError: there is no such family.
    """

    family: Family
    retriever: Retriever
    per_fact: int = 5
    max_related: int = 25
    min_score: float = 0.1
    max_tokens: int = 1024
    role: ClassVar[Role] = "manager"

    def __post_init__(self) -> None:
        """Load the prompt, so that a wrong family fails here and not in a run."""
        load_prompt(self.family, self.role)

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt template."""
        return load_prompt(self.family, self.role).prompt_hash

    def related(self, bank: MemoryBank, facts: Sequence[Fact]) -> tuple[Entry, ...]:
        """The entries of `bank` that `facts` may concern, by (time of last update, id)."""
        return nearest((hit for fact in facts for hit in self._near(bank.entries, fact)), self.max_related)

    def _near(self, entries: Sequence[Entry], fact: Fact) -> list[Hit]:
        own = [entry for entry in entries if entry.speaker == fact.speaker]
        return self.retriever.rank(own, fact.text, self.per_fact, self.min_score) if own else []

    def prompt(self, context: TurnContext, facts: Sequence[Fact], related: Sequence[Entry]) -> Prompt:
        """The messages that ask what to do with `facts`, given the `related` entries in the order to show them."""
        if self.family == "compact":
            texts = [entry.content for entry in related], [fact.text for fact in facts]
            return (Message("user", render_compact_manage(context.time, *texts)),)
        return load_prompt("instruct", self.role).render(
            {
                "date": long_date(context.time),
                "speakers": one_line(", ".join(context.speakers)),
                "payload": self._payload(facts, related),
            }
        )

    def _payload(self, facts: Sequence[Fact], related: Sequence[Entry]) -> str:
        told = [
            {
                "speaker": one_line(fact.speaker),
                "dia_id": fact.source,
                "fact": one_line(fact.text),
                "related_memory_ids": [hit.entry.id for hit in self._near(related, fact)],
            }
            for fact in facts
        ]
        return f'{{"memories": {json_lines(memory_rows(related))},\n"facts": {json_lines(told)}}}'

    def parse(
        self, text: str, truncated: bool, context: TurnContext, facts: Sequence[Fact], related: Sequence[Entry]
    ) -> Decision:
        """Read a reply; never raises.

        Args:
            text: The reply, without special tokens.
            truncated: The reply hit the length limit, so its last item may be cut.
            context: What the prompt was made from.
            facts: The facts it named.
            related: The entries it showed, in the same order; an operation on any other entry is dropped.
        """
        if self.family == "compact":
            parsed = parse_compact_decision(text, truncated, len(facts), [entry.content for entry in related])
            ops = tuple(_op_of(change, facts, related) for change in parsed.items)
            return Decision(ops, parsed.outcome, parsed.dropped, parsed.spans)
        return read_operations(text, truncated, context, [entry.id for entry in related])


def _op_of(change: Change, facts: Sequence[Fact], related: Sequence[Entry]) -> Op:
    index, name, position, wording = change
    fact = facts[index]
    content = wording or fact.text
    if position is None:
        return Insert(fact.speaker, content, fact.source) if name == "INSERT" else Noop(fact.source)
    entry = related[position - 1].id
    return Update(entry, content, fact.source) if name == "UPDATE" else Delete(entry, fact.source)
