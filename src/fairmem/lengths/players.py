"""Who writes and answers: a trained model, or an oracle that knows the facts and costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fairmem.agents import Answerer, Shown, Writer, fact_letter
from fairmem.agents.compact import format_changes
from fairmem.config import AgentsConfig, Recipe, load_recipe, parse_recipe, shipped_recipes
from fairmem.data.village import answer, decide, read
from fairmem.data.village.kinds import CORE_KINDS, EPISODIC_KINDS
from fairmem.episodes import build_agents
from fairmem.errors import ConfigError
from fairmem.lengths.stream import LongChunk, LongQuestion
from fairmem.memory import Entry, StructuredMemory, split_sentences
from fairmem.policy import Policy, SampleRequest, approximate_tokens, folder_of, open_ready, read_about
from fairmem.seeds import derive
from fairmem.trace import CallFailure, StopReason

ORACLE = "oracle"
"""The name of the player without a model."""

Said = tuple[str, bool] | CallFailure
"""The text of a reply and whether it was cut, or why there is none."""


class Player(Protocol):
    """Writes chunks and answers questions.

    Attributes:
        name: For reports.
        writer: The role: retrieval, prompt and parser.
        answerer: The role: which entries are shown for a question.
    """

    name: str
    writer: Writer
    answerer: Answerer
    chunks_per_session: int

    def write(self, chunks: Sequence[LongChunk], memory: StructuredMemory, shown: Sequence[Shown]) -> list[Said]:
        """The writer's reply to each chunk, all of the same memory."""
        ...

    def answer(self, questions: Sequence[LongQuestion], shown: Sequence[tuple[Entry, ...]]) -> list[str | CallFailure]:
        """An answer to each question from the entries shown."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        ...

    def close(self) -> None:
        """Release models."""
        ...


class OraclePlayer:
    """Writes what the generator knows was said and answers by rule from what is shown: it measures memory alone."""

    name = ORACLE

    def __init__(self, agents: AgentsConfig) -> None:
        built = build_agents(agents, "compact", "compact")
        assert built.writer is not None  # `open_player` has seen to it
        self.writer, self.answerer, self.chunks_per_session = built.writer, built.answerer, built.chunks_per_session

    def write(self, chunks: Sequence[LongChunk], memory: StructuredMemory, shown: Sequence[Shown]) -> list[Said]:
        """A reply in the compact form, right given the entries shown."""
        return [(_reply(chunk, memory, seen), False) for chunk, seen in zip(chunks, shown, strict=True)]

    def answer(self, questions: Sequence[LongQuestion], shown: Sequence[tuple[Entry, ...]]) -> list[str | CallFailure]:
        """What follows from the entries."""
        return [
            answer(asked.spec, [(entry.content, entry.updated_time) for entry in entries])
            for asked, entries in zip(questions, shown, strict=True)
        ]

    def count_tokens(self, text: str) -> int:
        """Words and marks."""
        return approximate_tokens(text)

    def close(self) -> None:
        """Nothing to release."""


def _reply(chunk: LongChunk, memory: StructuredMemory, shown: Shown) -> str:
    letters = {turn.id: fact_letter(at) for at, turn in enumerate(chunk.context.turns)}
    sentences = [entry.content for entry in sorted(shown.entries, key=lambda entry: (entry.updated_time, entry.id))]
    core = {(s.speaker, s.kind): text for text in split_sentences(memory.core) if (s := read(text)) is not None}
    changes: list[tuple[str, str, str | None, str]] = []
    rewritten, touched = "", set[int]()
    for turn, fact in chunk.facts:
        statement = read(fact)
        if statement is not None and statement.kind in CORE_KINDS:
            core[statement.speaker, statement.kind] = fact
            rewritten = letters[turn]
            continue
        decision = decide(fact, sentences)
        at = decision.position
        if decision.op == "INSERT" or (decision.op == "UPDATE" and at in touched):
            store = "episodic" if statement is not None and statement.kind in EPISODIC_KINDS else "semantic"
            changes.append((letters[turn], "INSERT", None, f"{store} {fact}"))
        elif decision.op != "NOOP" and at is not None and at not in touched:
            touched.add(at)
            changes.append((letters[turn], decision.op, sentences[at], fact if decision.op == "UPDATE" else ""))
    if rewritten:
        changes.insert(0, (rewritten, "CORE", None, " ".join(core[key] for key in sorted(core))))
    return format_changes(changes)


@dataclass(slots=True)
class ModelPlayer:
    """A model writes, greedily; another, or the same, answers."""

    name: str
    writer: Writer
    answerer: Answerer
    chunks_per_session: int
    keeping: Policy
    telling: Policy

    def write(self, chunks: Sequence[LongChunk], memory: StructuredMemory, shown: Sequence[Shown]) -> list[Said]:
        """One batch over all chunks."""
        requests = [
            SampleRequest(
                self.writer.prompt(chunk.context, memory, seen),
                self.writer.max_tokens,
                0.0,
                derive(0, "lengths", chunk.context.session, chunk.context.chunk),
                "writer",
            )
            for chunk, seen in zip(chunks, shown, strict=True)
        ]
        return [
            reply if isinstance(reply, CallFailure) else (reply.text, reply.stop is StopReason.LENGTH)
            for reply in self.keeping.sample(requests)
        ]

    def answer(self, questions: Sequence[LongQuestion], shown: Sequence[tuple[Entry, ...]]) -> list[str | CallFailure]:
        """One batch over all questions."""
        requests = [
            SampleRequest(
                self.answerer.prompt(asked.question.text, entries, asked.speakers), self.answerer.max_tokens, 0.0, 0
            )
            for asked, entries in zip(questions, shown, strict=True)
        ]
        return [
            reply
            if isinstance(reply, CallFailure)
            else self.answerer.parse(reply.text, reply.stop is StopReason.LENGTH).text
            for reply in self.telling.sample(requests)
        ]

    def count_tokens(self, text: str) -> int:
        """The writer model's count."""
        return self.keeping.count_tokens(text)

    def close(self) -> None:
        """Release both models."""
        self.keeping.close()
        self.telling.close()


def open_player(what: str) -> Player:
    """The player for `oracle`, a recipe (its name or file) or a model (`bundled`, a folder, a run's `model` folder).

    Raises:
        ConfigError: a recipe whose memory is not written by a writer.
        FairmemError: the recipe or the model cannot be used.
    """
    if what == ORACLE:
        return OraclePlayer(_SMALL)
    recipe = _recipe(what)
    if recipe.agents.roles != "writer":
        raise ConfigError(
            f"'{what}': agents.roles is '{recipe.agents.roles}', expected 'writer', a structured memory's"
        )
    model, answering = recipe.model, recipe.answerer
    keeping = open_ready(model.path, "", "")
    telling = open_ready(answering.path, answering.base_url, answering.api_key_env)
    built = build_agents(recipe.agents, keeping.family, telling.family, keeping.count_tokens)
    assert built.writer is not None
    return ModelPlayer(keeping.name, built.writer, built.answerer, built.chunks_per_session, keeping, telling)


_SMALL = AgentsConfig(roles="writer", shown_per_store=8, related_max=12)
"""For the oracle and for models that do not say how they were trained: as in `mem_alpha_small`."""


def _recipe(what: str) -> Recipe:
    if what in shipped_recipes() or Path(what).suffix == ".toml":
        return load_recipe(what)
    folder = folder_of(what)
    trained = read_about(folder).get("agents") if folder is not None else None
    agents = _SMALL if trained is None else parse_recipe({"agents": trained}, where=f"{what}: fairmem.json").agents
    if trained is None or agents.roles != "writer":
        agents = _SMALL
    return Recipe.model_validate({"model": {"path": what}, "agents": agents})
