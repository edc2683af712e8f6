"""Only memories that share words with the task reach the prompt."""

from __future__ import annotations

from dataclasses import replace

from fairmem.agents.hooks import Access, Situation, ToolDefense
from fairmem.errors import ConfigError
from fairmem.memory.terms import term_counts


class LexicalFilter(ToolDefense):
    """Keeps a memory that shares at least `shared` stems, stop words aside, with the task and the policy.

    The tools are left out of the comparison on purpose: words that a private memory shares with a parameter are what
    leads a model astray.
    """

    name = "lexical-filter"

    def __init__(self, shared: int = 1) -> None:
        if shared < 1:
            raise ConfigError(f"lexical filter: found {shared} shared words, expected at least 1")
        self.shared = shared

    def prepare(self, situation: Situation, access: Access) -> Situation:
        """The situation with the memories that are kept."""
        about = set(term_counts(query(situation))[0])
        kept = tuple(m for m in situation.memories if len(about & set(term_counts(m.text)[0])) >= self.shared)
        return replace(situation, memories=kept)


def query(situation: Situation) -> str:
    """What a filter holds memories against: the task and the policy."""
    return " ".join((situation.task, *situation.policy))
