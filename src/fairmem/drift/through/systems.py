"""The memory systems that may stand between what was told and the prompt.

===========  ==========================================================================================================
name         what it is
===========  ==========================================================================================================
`bank`       fairmem's memory: an extractor and a manager write entries, one call each per session
`persistent` fairmem's structured memory (core, semantic and episodic store, on maps whose versions share their parts),
             written by one writer, saved to a file per memory, and opened from the file for every search
`verbatim`   every turn as it was said, the assistant's too
`summary`    a summary that a model rewrites after every session; all of it is recalled
`mem0` ...   the memory product of that name, by its own extraction, store and search; see `fairmem.eval.peers`
===========  ==========================================================================================================

All but the products are searched as fairmem searches: by words and vectors together (`hybrid`), the persistent memory
by its own word index. `persistent` is what a server would hold; fairmem has no server yet, so nothing is asked over a
network here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fairmem.agents import Answerer
from fairmem.config import AgentsConfig, Recipe
from fairmem.episodes import build_runner
from fairmem.errors import CheckpointError
from fairmem.eval.backend import Built, MemoryBackend
from fairmem.eval.backends import OurMemory, TurnMemory, spent_by
from fairmem.eval.gateway import Gateway
from fairmem.eval.peers import PEERS, peer_memory
from fairmem.eval.summary_memory import SummaryMemory
from fairmem.memory import Entry, Memory, build_embedder, build_retriever, memory_from_json
from fairmem.policy import Policy
from fairmem.replace import replace_text
from fairmem.trace import Role
from fairmem.types import Conversation, Question

MEMORIES = "memories"
"""Folder, below that of the run, of the files of persistent memories."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a system is made from.

    Attributes:
        writer: The model that writes memory.
        agents: Its settings; `shown_per_speaker` and `shown_per_store` are the most entries a search finds.
        folder: Of the run.
        gateway: What products ask.
    """

    writer: Policy
    agents: AgentsConfig
    folder: Path
    gateway: Gateway | None = None

    @property
    def most(self) -> int:
        """Most entries that a search finds."""
        return self.agents.shown_per_speaker


class PersistentMemory:
    """A memory of `inner` that lies in a file of its own and is opened from there for every search."""

    def __init__(self, inner: MemoryBackend, folder: Path) -> None:
        self.name = "persistent"
        self.traces = inner.traces
        self._inner, self._folder = inner, folder

    def build(self, conversations: Sequence[Conversation]) -> list[Built]:
        """Memories by `inner`, each written to its file."""
        found = self._inner.build(conversations)
        self._folder.mkdir(parents=True, exist_ok=True)
        for conversation, built in zip(conversations, found, strict=True):
            if built.bank is not None:
                replace_text(self._path(conversation), built.bank.to_json())
        return found

    def search(self, bank: Memory, question: Question, conversation: Conversation) -> tuple[Entry, ...]:
        """What the memory in the file recalls; `bank` is not looked at.

        Raises:
            CheckpointError: the file is not there, or damaged.
        """
        path = self._path(conversation)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{path}: the memory of {conversation.id} cannot be read ({error})") from error
        return self._inner.search(memory_from_json(text), question, conversation)

    def _path(self, conversation: Conversation) -> Path:
        # Ids of scenarios are the user's and may hold what file names may not.
        return self._folder / f"{hashlib.sha256(conversation.id.encode()).hexdigest()[:16]}.json"


def _ours(setup: Setup, roles: str) -> OurMemory:
    agents = setup.agents.model_copy(update={"roles": roles})
    policies: dict[Role, Policy] = dict.fromkeys(("extractor", "manager", "single", "writer", "answerer"), setup.writer)
    runner = build_runner(Recipe(name="drift", agents=agents), policies)
    return OurMemory(runner, spent_by(setup.writer))


def _verbatim(setup: Setup) -> TurnMemory:
    retriever = build_retriever(setup.agents.retriever, build_embedder(setup.agents.embedder))
    answerer = Answerer("compact", retriever, setup.most)
    return TurnMemory("verbatim", lambda bank, question, speakers: answerer.ranked(bank, question.text, speakers))


def _product(name: str, setup: Setup) -> MemoryBackend:
    return peer_memory(name, setup.gateway, setup.folder / "stores", setup.most)


SYSTEMS: dict[str, Callable[[Setup], MemoryBackend]] = {
    "bank": lambda setup: _ours(setup, "two"),
    "persistent": lambda setup: PersistentMemory(_ours(setup, "writer"), setup.folder / MEMORIES),
    "verbatim": _verbatim,
    "summary": lambda setup: SummaryMemory(setup.writer),
    **{name: partial(_product, name) for name in PEERS},
}
"""Name on the command line -> memory. Add a line to audit an agent through another memory."""

WHOLE = ("summary", "persistent")
"""Recalled without a cut: a summary is read whole, as is the core of a structured memory, whose stores have limits."""

UNWRITTEN = ("verbatim",)
"""Systems that need no model to write."""

INSTRUCTED = ("summary", *PEERS)
"""Systems that need a model that follows instructions."""
