"""The single agent: reads turns beside the entries they may concern and writes operations, in one call per chunk.

The ablation of Memory-R2 (arXiv 2605.21768) that asks what two roles are worth. Retrieval is that of the published
ablation: the same number of entries for each turn, whoever they are about, together at most `max_related`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from fairmem.agents.compact import parse_compact_decision, render_compact_single
from fairmem.agents.context import TurnContext, nearest
from fairmem.agents.decision import Decision, json_lines, memory_rows, read_operations
from fairmem.agents.prompts import load_prompt
from fairmem.agents.wording import long_date, one_line, turn_text
from fairmem.memory import Delete, Entry, Insert, MemoryBank, Noop, Op, Retriever, Update
from fairmem.policy import Family, Message, Prompt
from fairmem.trace import Role


@dataclass(frozen=True, slots=True)
class SingleAgent:
    """Retrieval, prompt and parser of the one role that takes the place of extractor and manager.

    Attributes:
        family: Prompt family the model understands.
        retriever: Ranks entries by nearness to a turn.
        max_related: Most entries shown; each of n turns finds `max_related // n` of them, at least 1.
        min_score: Least score, in the retriever's own unit, of an entry that is shown.
        max_tokens: Most tokens of a reply.

    Raises:
        ConfigError: there is no such family.
    """

    family: Family
    retriever: Retriever
    max_related: int = 25
    min_score: float = 0.1
    max_tokens: int = 1024
    role: ClassVar[Role] = "single"

    def __post_init__(self) -> None:
        """Load the prompt, so that a wrong family fails here and not in a run."""
        load_prompt(self.family, self.role)

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt template."""
        return load_prompt(self.family, self.role).prompt_hash

    def related(self, bank: MemoryBank, context: TurnContext) -> tuple[Entry, ...]:
        """The entries of `bank` that the turns of `context` may concern, by (time of last update, id)."""
        each = max(1, self.max_related // max(1, len(context.turns)))
        turns = context.turns if bank.entries else ()
        found = (self.retriever.rank(bank.entries, turn_text(turn), each, self.min_score) for turn in turns)
        return nearest((hit for hits in found for hit in hits), self.max_related)

    def prompt(self, context: TurnContext, related: tuple[Entry, ...]) -> Prompt:
        """The messages that ask how memory changes with the turns of `context`, given the `related` entries."""
        if self.family == "compact":
            text = render_compact_single(context.time, [entry.content for entry in related], context.turns)
            return (Message("user", text),)
        turns = [
            {"dia_id": turn.id, "speaker": one_line(turn.speaker), "text": one_line(turn_text(turn))}
            for turn in context.turns
        ]
        memories = json_lines(memory_rows(related))
        said = "\n".join(json.dumps(turn, ensure_ascii=False) for turn in turns)
        return load_prompt("instruct", self.role).render(
            {
                "date": long_date(context.time),
                "speakers": one_line(", ".join(context.speakers)),
                "memories": f'{{"memories": {memories}}}',
                "turns": said,
            }
        )

    def parse(self, text: str, truncated: bool, context: TurnContext, related: tuple[Entry, ...]) -> Decision:
        """Read a reply; never raises.

        An operation names a turn of the chunk as its source, and an entry only if it was shown; any other is dropped.
        In the compact form it has to bring the wording of what it stores: a turn is no fact.

        Args:
            text: The reply, without special tokens.
            truncated: The reply hit the length limit, so its last item may be cut.
            context: What the prompt was made from.
            related: The entries it showed, in the same order.
        """
        if self.family == "instruct":
            return read_operations(text, truncated, context, [entry.id for entry in related])
        shown = [entry.content for entry in related]
        parsed = parse_compact_decision(text, truncated, len(context.turns), shown, worded=True)
        ops: list[Op] = []
        for index, name, position, wording in parsed.items:
            turn = context.turns[index]
            if position is None:
                ops.append(Insert(turn.speaker, wording or "", turn.id) if name == "INSERT" else Noop(turn.id))
            else:
                entry = related[position - 1].id
                ops.append(Update(entry, wording or "", turn.id) if name == "UPDATE" else Delete(entry, turn.id))
        return Decision(tuple(ops), parsed.outcome, parsed.dropped, parsed.spans)
