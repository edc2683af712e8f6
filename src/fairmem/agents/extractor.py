"""The extractor: reads a chunk of dialogue, writes the facts worth remembering (memory formation).

Source: Memory-R2 (arXiv 2605.21768), fact extraction agent. Unlike the published code it is shown the date of
the session, without which it cannot write the absolute dates it is asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import ClassVar

from fairmem.agents.compact import parse_compact_extract, render_compact_extract
from fairmem.agents.context import Fact, TurnContext
from fairmem.agents.fields import Unusable, as_object, read_sentence, read_speaker, read_turn
from fairmem.agents.json_reply import read_json_items
from fairmem.agents.parsing import Span, outcome_of, snippet
from fairmem.agents.prompts import load_prompt
from fairmem.agents.wording import long_date, one_line, turn_text
from fairmem.policy import Family, Message, Prompt
from fairmem.trace import ParseOutcome, Role

_EARLIER = "The exchanges above are about earlier turns and are context only; do not note them again."


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was read from one extractor reply."""

    facts: tuple[Fact, ...]
    outcome: ParseOutcome
    dropped: tuple[str, ...] = ()
    """One reason per item of the reply that could not be used."""
    spans: tuple[Span | None, ...] = field(default=(), compare=False)
    """Where the reply states each fact."""


@dataclass(frozen=True, slots=True)
class Extractor:
    """Prompt and parser of the extractor role.

    Attributes:
        family: Prompt family the model understands.
        max_tokens: Most tokens of a reply.

    Raises:
        ConfigError: there is no such family.
    """

    family: Family
    max_tokens: int = 1024
    role: ClassVar[Role] = "extractor"

    def __post_init__(self) -> None:
        """Load the prompt, so that a wrong family fails here and not in a run."""
        load_prompt(self.family, self.role)

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt template."""
        return load_prompt(self.family, self.role).prompt_hash

    def prompt(self, context: TurnContext, history: Prompt = ()) -> Prompt:
        """The messages that ask for the facts of `context`.

        Args:
            context: The chunk to read.
            history: User and assistant messages of earlier chunks of the same session, if the model is to see
                them; they are put before the new request, which says that they are context only.
        """
        if self.family == "compact":
            return (*history, Message("user", render_compact_extract(context.time, context.turns)))
        turns = [
            {"dia_id": turn.id, "speaker": one_line(turn.speaker), "text": one_line(turn_text(turn))}
            for turn in context.turns
        ]
        messages = load_prompt("instruct", self.role).render(
            {
                "date": long_date(context.time),
                "speakers": one_line(", ".join(context.speakers)),
                "earlier": _EARLIER if history else "",
                "turns": "\n".join(json.dumps(turn, ensure_ascii=False) for turn in turns),
            }
        )
        return (*messages[:-1], *history, messages[-1])

    def parse(self, text: str, truncated: bool, context: TurnContext) -> Extraction:
        """Read a reply; never raises.

        A fact is about a speaker of the conversation and comes from a turn of the chunk; any other is dropped.

        Args:
            text: The reply, without special tokens.
            truncated: The reply hit the length limit, so its last item may be cut.
            context: What the prompt was made from.
        """
        if self.family == "compact":
            parsed = parse_compact_extract(text, truncated, len(context.turns))
            named = [(context.turns[number - 1], fact) for number, fact in parsed.items]
            facts = tuple(Fact(turn.speaker, fact, turn.id) for turn, fact in named)
            return Extraction(facts, parsed.outcome, parsed.dropped, parsed.spans)
        return _parse_json(text, truncated, context)


def _parse_json(text: str, truncated: bool, context: TurnContext) -> Extraction:
    found = read_json_items(text, "facts")
    turns = {turn.id: turn for turn in context.turns}
    facts: dict[Fact, Span | None] = {}
    dropped = list(found.dropped)
    for item, span in zip(found.items, found.spans, strict=True):
        try:
            fields = as_object(item)
            turn = read_turn(fields, turns)
            speaker = read_speaker(fields, context.speakers, turn.speaker)
            fact = Fact(speaker, read_sentence(fields, "fact"), turn.id)
            if fact in facts:
                raise Unusable(f"said twice: {snippet(fact.text)}")
            facts[fact] = span
        except Unusable as reason:
            dropped.append(str(reason))
    outcome = outcome_of(truncated=truncated, formed=found.formed, kept=len(facts), dropped=len(dropped))
    return Extraction(tuple(facts), outcome, tuple(dropped), tuple(facts.values()))
