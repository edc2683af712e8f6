"""Telling an arm's conversation to a memory system and asking it for the task, each memory once and kept on disk.

A killed run goes on: finished memories are in `recall.jsonl`, replies of the model that writes in `calls.jsonl` (what a
product asked in `gateway.jsonl`), and nothing that is there is asked again. The model is opened when the first memory
is missing, and closed before the first trial.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmem.config import AgentsConfig
from fairmem.drift.arms import Arm
from fairmem.drift.scenario import Scenario
from fairmem.drift.through.recalled import DIRECT, Line, Place, Recalled, RecallFile
from fairmem.drift.through.systems import INSTRUCTED, SYSTEMS, UNWRITTEN, WHOLE, Setup
from fairmem.drift.through.told import Told, tell
from fairmem.errors import CheckpointError, ConfigError, EndpointError, MissingExtraError, ModelError
from fairmem.eval.backend import Built, MemoryBackend
from fairmem.eval.calls import RecordedCalls
from fairmem.eval.gateway import Gateway
from fairmem.eval.peers import PEERS, PeerMemory
from fairmem.memory import Entry, build_embedder
from fairmem.policy import Family, Policy, ScriptedPolicy, folder_of, open_ready, read_about, weights_digest
from fairmem.policy.model_folder import read_family
from fairmem.types import Question

CALLS, GATEWAY = "calls.jsonl", "gateway.jsonl"
_PART = 16
"""Memories built side by side."""

DIALOGUE = 1
"""Version of the conversation (`told`); a run goes on only with the one it began with."""

BuildProgress = Callable[[int, int], None]
"""(memories built, memories in all)."""

OpenWriter = Callable[[], Policy]


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """The model that writes memory: its `spec`, and for endpoints address, key and most requests in flight."""

    spec: str = "scripted"
    base_url: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = 8

    @property
    def family(self) -> Family:
        """Which prompts the model understands, as far as its name tells."""
        folder = folder_of(self.spec)
        if folder is not None and folder.is_dir():
            return read_family(folder)
        return "compact" if self.spec == "scripted" else "instruct"

    def open(self) -> Policy:
        """The model.

        Raises:
            FairmemError: as `fairmem.policy.open_ready`.
        """
        return open_ready(self.spec, self.base_url, self.api_key_env)


class SystemMemory:
    """An `AgentMemory` by a system of `SYSTEMS`.

    Attributes:
        name: Of the system.
        settings: For the record of the run.
    """

    def __init__(
        self,
        name: str,
        writer: WriterOptions | None = None,
        *,
        top_k: int = 5,
        embedder: str = "hashed",
        progress: BuildProgress = lambda _done, _planned: None,
        open_writer: OpenWriter | None = None,
    ) -> None:
        """Check the options; nothing is opened yet.

        Args:
            name: Key of `SYSTEMS`.
            writer: Who writes memory.
            top_k: Most entries recalled (of each store of a persistent memory; a summary is recalled whole).
            embedder: As `fairmem.memory.build_embedder` names it.
            progress: Called with (memories built, memories in all).
            open_writer: Opens another model than `writer` names.

        Raises:
            ConfigError: no such system or embedder, a limit below 1, or a model that cannot write for this system.
            MissingExtraError: the product is not installed.
        """
        if name not in SYSTEMS:
            raise ConfigError(f"--through: memory '{name}' is unknown; expected some of direct, {', '.join(SYSTEMS)}")
        if top_k < 1:
            raise ConfigError(f"--top-k is {top_k}, expected at least 1")
        self.name = name
        self._writer = writer or WriterOptions()
        if name in PEERS and importlib.util.find_spec(name) is None:
            raise MissingExtraError.of(name, name, f"memory '{name}'")
        if open_writer is None and name in INSTRUCTED and self._writer.family == "compact":
            raise ConfigError(
                f"--through {name}: needs a model that follows instructions to write it, and {self._writer.spec} reads "
                "compact prompts; name one with --memory-model"
            )
        build_embedder(embedder)
        self._open = open_writer or self._writer.open
        self._top_k, self._embedder, self._progress = top_k, embedder, progress
        self.settings: Mapping[str, Any] = {"through": name, "dialogue": DIALOGUE}
        if name != "summary":
            self.settings = {**self.settings, "top_k": top_k}
        if name not in ("summary", "persistent"):
            self.settings = {**self.settings, "embedder": embedder}
        if name not in UNWRITTEN:
            weights = weights_digest(self._writer.spec)
            named = self._writer.spec if weights is None else f"{self._writer.spec} {weights[:12]}"
            self.settings = {**self.settings, "memory_model": named}

    def recall(
        self, scenarios: Sequence[Scenario], arms: Sequence[Arm], folder: Path, *, retry_failed: bool
    ) -> dict[Place, Recalled]:
        """See `AgentMemory.recall`.

        Raises:
            CheckpointError: `recall.jsonl` or `calls.jsonl` is damaged.
            EndpointError: the model that writes cannot be reached at all.
        """
        kept = RecallFile.open(folder)
        wanted = {(s.id, arm.name): (s, tell(s, arm)) for s in scenarios for arm in arms if arm.count}
        wanted = {place: pair for place, pair in wanted.items() if pair[1].memories}
        again = {place for place, record in kept.records.items() if retry_failed and record.failure is not None}
        missing = [place for place in wanted if place not in kept.records or place in again]
        done = len(wanted) - len(missing)
        if missing:
            with self._opened(folder) as backend:
                for start in range(0, len(missing), _PART):
                    part = [wanted[place] for place in missing[start : start + _PART]]
                    for record in self._asked(backend, part):
                        kept.add(record)
                        done += 1
                        self._progress(done, len(wanted))
        return {place: kept.records[place] for place in wanted}

    def _asked(self, backend: MemoryBackend, part: Sequence[tuple[Scenario, Told]]) -> Generator[Recalled, None, None]:
        builds = backend.build([told.conversation for _, told in part])
        for (scenario, told), built in zip(part, builds, strict=True):
            yield self._record(backend, scenario, told, built)

    def _record(self, backend: MemoryBackend, scenario: Scenario, told: Told, built: Built) -> Recalled:
        conversation = told.conversation
        found: Sequence[Entry] = ()
        failure = built.failure
        if built.bank is None:
            failure = failure or "no memory was built"
        else:
            last = conversation.sessions[-1].index
            question = Question(scenario.id, scenario.task, "", "open_domain", (), last)
            try:
                found = backend.search(built.bank, question, conversation)
            except (ModelError, EndpointError, CheckpointError) as error:
                failure = f"search: {error}"
        if self.name not in WHOLE:
            found = found[: self._top_k]
        return Recalled(
            scenario=scenario.id,
            arm=conversation.id.removeprefix(f"{scenario.id} "),
            told=tuple((turn, memory.id) for turn, memory in told.memories.items()),
            traces=backend.traces,
            query=scenario.task,
            stored=() if built.bank is None else tuple(_line(entry) for entry in built.bank.entries),
            found=tuple(str(entry.id) for entry in found),
            failure=failure,
            calls=built.calls,
            prompt_tokens=built.prompt_tokens,
            reply_tokens=built.reply_tokens,
        )

    @contextmanager
    def _opened(self, folder: Path) -> Generator[MemoryBackend, None, None]:
        """The system, with its model, while memories are built."""
        policy = ScriptedPolicy() if self.name in UNWRITTEN else self._open()
        try:
            stamp = str(self.settings.get("memory_model", ""))
            if self.name in PEERS:
                embedder = build_embedder(self._embedder)
                with Gateway(policy, embedder, folder / GATEWAY, identity=stamp) as gateway:
                    backend = SYSTEMS[self.name](Setup(policy, self._agents(policy), folder, gateway))
                    try:
                        yield backend
                    finally:
                        if isinstance(backend, PeerMemory):
                            backend.close()
                return
            calls = RecordedCalls(policy, folder / CALLS, concurrency=self._writer.concurrency, identity=stamp)
            yield SYSTEMS[self.name](Setup(calls, self._agents(policy), folder))
        finally:
            policy.close()

    def _agents(self, policy: Policy) -> AgentsConfig:
        """As the model was trained; a model that was not gets one chunk a session and room to write."""
        from fairmem.eval.evaluation import agents_of

        known, folder = agents_of(policy, self._writer.spec), folder_of(self._writer.spec)
        ours = folder is not None and (policy.family == "compact" or "agents" in read_about(folder))
        room = {"chunks_per_session": 1, "extractor_max_tokens": 1024, "manager_max_tokens": 1024}
        limits = {"shown_per_speaker": self._top_k, "shown_per_store": self._top_k, "embedder": self._embedder}
        return known.model_copy(update={**({} if ours else room), **limits})


def _line(entry: Entry) -> Line:
    return Line(id=str(entry.id), text=entry.content, sources=entry.sources)


def open_systems(
    names: Sequence[str],
    writer: WriterOptions,
    *,
    top_k: int = 5,
    embedder: str = "hashed",
    progress: Callable[[str], BuildProgress] = lambda _name: lambda _done, _planned: None,
) -> tuple[dict[str, SystemMemory | None], dict[str, str]]:
    """The memories called `names`, None for direct injection, and why some are left out.

    Among several, a product that is not installed is left out with the reason; alone it is an error. `progress` gives
    each its own; the rest is as for `SystemMemory`.

    Raises:
        ConfigError: no such memory, or one that cannot be written by `writer`.
        MissingExtraError: the only one asked for is a product that is not installed.
    """
    found: dict[str, SystemMemory | None] = {}
    skipped: dict[str, str] = {}
    for name in dict.fromkeys(names):
        try:
            made = None
            if name != DIRECT:
                made = SystemMemory(name, writer, top_k=top_k, embedder=embedder, progress=progress(name))
            found[name] = made
        except MissingExtraError as error:
            if len(set(names)) == 1:
                raise
            skipped[name] = str(error)
    return found, skipped
