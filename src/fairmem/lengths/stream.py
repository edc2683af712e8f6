"""A generated stream of any length: one pair of people who talk all along, and pairs that come and go.

Pairs are village conversations with invented names, no name twice, so what an early pair told stays true to the end and
a memory has to keep it among ever more. `lanes` of them talk at any time and take turns; every so often the first pair
does. The pairs that come and go do not speak of their home and work (the kinds of fact that go to the core text), so
that the core stays what it is in training, two people.

A stream is read once, chunk by chunk; only questions and names are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fairmem.agents import TurnContext
from fairmem.data import split_session
from fairmem.data.stream import marks
from fairmem.data.village import MAX_SESSIONS, QuestionSpec, World, read, simulate
from fairmem.data.village.kinds import CORE_KINDS
from fairmem.seeds import python_rng
from fairmem.types import Chunk, Question, Session, Turn

_PAIR_SESSIONS = 8
"""Sessions of a pair that comes and goes."""
_SESSION_TOKENS = 80
"""About as many tokens a session has: it decides how the first pair's sessions are spread."""


@dataclass(frozen=True, slots=True)
class LongChunk:
    """One chunk of the stream: what a writer reads, and the canonical facts in it by turn id."""

    context: TurnContext
    facts: tuple[tuple[str, str], ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class LongQuestion:
    """A question that holds at the end, and how many tokens of the stream came before its pair fell silent."""

    question: Question
    spec: QuestionSpec
    speakers: tuple[str, ...]
    pair: str
    told_at: int


class LongStream:
    """The stream of `tokens` words and marks that `seed` names.

    Attributes:
        questions: Of the pairs that have fallen silent, filled as the stream is read.
        tokens_read: Tokens of the chunks given so far.
    """

    def __init__(
        self, tokens: int, seed: int, lanes: int = 16, chunks_per_session: int = 2, difficulty: float = 0.5
    ) -> None:
        self.tokens, self.lanes = tokens, lanes
        self.questions: list[LongQuestion] = []
        self.tokens_read = 0
        self._seed, self._chunks, self._difficulty = seed, chunks_per_session, difficulty
        self._names: set[str] = set()
        self._made = self._sessions = 0
        self._gap = max(2, round(tokens / _SESSION_TOKENS / MAX_SESSIONS))

    def waves(self) -> Iterator[list[LongChunk]]:
        """Chunks that may be written side by side, since no two are of one pair, until `tokens` have been read."""
        first = self._talk(self._pair(MAX_SESSIONS), core=True)
        lanes = [self._talk(self._pair(_PAIR_SESSIONS)) for _ in range(self.lanes)]
        held: list[LongChunk] = []
        while self.tokens_read < self.tokens:
            wave = held[:1]
            held = held[1:]
            for at in range(self.lanes):
                chunk = next(lanes[at], None)
                if chunk is None:
                    lanes[at] = self._talk(self._pair(_PAIR_SESSIONS))
                    chunk = next(lanes[at])
                wave.append(chunk)
                if self._sessions % self._gap == 0 and not held:
                    held = [more for _ in range(self._chunks) if (more := next(first, None)) is not None]
            self.tokens_read += sum(chunk.tokens for chunk in wave)
            yield wave

    def _pair(self, sessions: int) -> World:
        """The next conversation whose two names are new."""
        while True:
            world = simulate(self._seed, "test", self._made, sessions, self._difficulty, 1.0, 0.5)
            self._made += 1
            if not self._names & set(world.conversation.speakers):
                self._names |= set(world.conversation.speakers)
                return world

    def _talk(self, world: World, core: bool = False) -> Iterator[LongChunk]:
        """The chunks of one pair; its questions are kept when it falls silent."""
        talk = world.conversation
        facts: dict[str, list[str]] = {}
        for delta in talk.deltas:
            facts.setdefault(delta.turn, []).append(delta.content)
        for session in talk.sessions:
            turns = session.turns if core else tuple(t for t in session.turns if not _core_facts(facts.get(t.id, ())))
            self._sessions += 1
            for chunk in split_session(replace(session, turns=turns), self._chunks):
                yield self._chunk(world, session, chunk, facts)
        spoken = [
            question
            for question in talk.questions_after(talk.sessions[-1].index)
            if question.category != "adversarial"
            and (core or not {world.specs[question.id].kind, world.specs[question.id].then} & CORE_KINDS)
        ]
        rng = python_rng(self._seed, "long questions", talk.id)
        for question in rng.sample(spoken, min(2, len(spoken))):
            kept = LongQuestion(question, world.specs[question.id], talk.speakers, talk.id, self.tokens_read)
            self.questions.append(kept)

    def _chunk(self, world: World, session: Session, chunk: Chunk, facts: dict[str, list[str]]) -> LongChunk:
        name = world.conversation.id
        turns = tuple(Turn(f"{name} {turn.id}", turn.speaker, turn.text) for turn in chunk.turns)
        told = tuple(
            (new.id, fact) for turn, new in zip(chunk.turns, turns, strict=True) for fact in facts.get(turn.id, ())
        )
        speakers = world.conversation.speakers
        context = TurnContext("stream", speakers, self._sessions, chunk.index, session.time, turns)
        return LongChunk(context, told, sum(marks(f"{turn.speaker}: {turn.text}") for turn in turns))


def _core_facts(facts: list[str] | tuple[str, ...]) -> bool:
    return any((statement := read(fact)) is not None and statement.kind in CORE_KINDS for fact in facts)
