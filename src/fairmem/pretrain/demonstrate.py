"""Writes demonstrations of the three roles from village conversations, imperfect on purpose.

The extractor misses facts (some kinds far more often than others) and sometimes notes hearsay; the manager keeps
stale entries, inserts duplicates and forgets to delete. A model that imitates them has the form right and the
judgement wrong, which is what reinforcement learning is there to mend. The answerer's demonstrations are right:
the answer that follows from the entries shown, `no information` where they do not tell.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from fairmem.agents.compact import (
    fact_letter,
    format_answer,
    format_changes,
    format_decision,
    format_extraction,
    render_compact_answer,
    render_compact_extract,
    render_compact_manage,
    render_compact_single,
)
from fairmem.agents.compact_write import render_compact_write
from fairmem.data.village import World, decide, read, support
from fairmem.data.village.kinds import CORE_KINDS, EPISODIC_KINDS
from fairmem.pretrain.mixture import Demonstration, Imperfection, Mixture
from fairmem.pretrain.reword import reword, reword_question
from fairmem.types import Session, Turn


def _kind(sentence: str) -> str:
    statement = read(sentence)
    return statement.kind if statement else ""


@dataclass(slots=True)
class _Entry:
    sentence: str
    created: datetime
    updated: datetime


def _decision(ops: list[tuple[str, int | None]], sentences: list[str]) -> str:
    quoted = [(fact_letter(i), op, None if at is None else sentences[at]) for i, (op, at) in enumerate(ops)]
    return format_decision(quoted)


class Demonstrator:
    """Walks through one conversation as an imperfect extractor and manager would, and quizzes the memory."""

    def __init__(self, world: World, rng: random.Random, imperfection: Imperfection, mixture: Mixture) -> None:
        """Draws only from `rng`."""
        self._mixture = mixture
        self._rewording = mixture.rewording
        self._world = world
        self._rng = rng
        self._bad = imperfection
        self._memory: list[_Entry] = []
        self._perfect: list[_Entry] = []
        self._gold: dict[str, list[str]] = {}
        for delta in world.conversation.deltas:
            self._gold.setdefault(delta.turn, []).append(delta.content)
        self._hearsay = dict(world.hearsay)
        self._times = {turn.id: session.time for session in world.conversation.sessions for turn in session.turns}

    def run(self) -> Iterator[Demonstration]:
        """The demonstrations in order of time; about half of the sessions end with questions."""
        mixture = self._mixture
        for session in self._world.conversation.sessions:
            for turns in self._chunks(session):
                facts = self._extract(turns)
                taken = self._rng.random()
                if taken < mixture.singles + mixture.writers:
                    self._tell(turns)
                    yield self._write(turns, facts, session.time, structured=taken >= mixture.singles)
                    continue
                extraction = Demonstration(
                    "extractor",
                    render_compact_extract(session.time, [self._reworded(turn) for turn in turns]),
                    (("", format_extraction(facts)),),
                )
                if mixture.extractions >= 1.0 or self._rng.random() < mixture.extractions:
                    yield extraction
                self._tell(turns)
                if facts:
                    yield self._manage([sentence for _, sentence in facts], session.time)
            if self._rng.random() < mixture.quizzes:
                quiz = self._quiz(mixture.questions)
                if quiz is not None:
                    yield quiz

    def _tell(self, turns: tuple[Turn, ...]) -> None:
        for turn in turns:
            for sentence in self._gold.get(turn.id, ()):
                self._apply(self._perfect, sentence, self._times[turn.id])

    def _chunks(self, session: Session) -> Iterator[tuple[Turn, ...]]:
        turns = session.turns
        start = 0
        while start < len(turns):
            size = self._rng.choice((2, 3, 4, 4, 4, 5))
            yield turns[start : start + size]
            start += size

    def _reworded(self, turn: Turn) -> Turn:
        rng, gold = self._rng, self._gold.get(turn.id, [])
        if not self._rewording or rng.random() >= self._rewording:
            return turn
        sentences = [*gold, *([self._hearsay[turn.id]] if turn.id in self._hearsay else [])]
        held = [s.value for sentence in sentences if (s := read(sentence)) is not None]
        return replace(turn, text=reword(turn.text, held, rng))

    def _extract(self, turns: tuple[Turn, ...]) -> list[tuple[int, str]]:
        facts: list[tuple[int, str]] = []
        for number, turn in enumerate(turns, 1):
            for sentence in dict.fromkeys(self._gold.get(turn.id, ())):
                statement = read(sentence)
                kind = statement.kind if statement else ""
                if self._rng.random() >= self._bad.miss.get(kind, self._bad.default_miss):
                    facts.append((number, sentence))
            if turn.id in self._hearsay and self._rng.random() < self._bad.hearsay:
                facts.append((number, self._hearsay[turn.id]))
        return facts

    def _shown(self, facts: list[str]) -> list[_Entry]:
        """What retrieval may bring: mostly what concerns the facts, and some more of the same speakers."""
        speakers = {s.speaker for f in facts if (s := read(f)) is not None}
        kinds = {(s.speaker, s.kind) for f in facts if (s := read(f)) is not None}
        shown: list[_Entry] = []
        extra = self._rng.choice((0.2, 0.5, 0.9))
        for entry in self._memory:
            s = read(entry.sentence)
            if s is None or s.speaker not in speakers:
                continue
            close = (s.speaker, s.kind) in kinds or s.kind in ("plan", "trip")
            if self._rng.random() < (0.97 if close else extra):
                shown.append(entry)
        return shown[-14:]

    def _manage(self, facts: list[str], time: datetime) -> Demonstration:
        shown = self._shown(facts)
        sentences = [entry.sentence for entry in shown]
        text = render_compact_manage(time, sentences, facts)
        ops = self._decide(facts, sentences, careful=False)
        if not self._mixture.drills or not sentences:
            demonstration = Demonstration("manager", text, (("", _decision(ops, sentences)),))
        else:
            prefix, mark, rest = text.partition("<facts>")
            branches = [(mark + rest, _decision(ops, sentences))]
            branches += [self._drill(sentences, time) for _ in range(self._mixture.drills)]
            demonstration = Demonstration("manager", prefix, tuple(branches))
        self._carry_out(facts, ops, shown, time)
        return demonstration

    def _carry_out(
        self, facts: list[str], ops: list[tuple[str, int | None]], shown: list[_Entry], time: datetime
    ) -> None:
        for fact, (op, at) in zip(facts, ops, strict=True):
            if op == "INSERT":
                self._insert(self._memory, fact, time)
            elif op == "UPDATE" and at is not None:
                shown[at].sentence, shown[at].updated = fact, time
            elif op == "DELETE" and at is not None:
                self._memory.remove(shown[at])
        self._memory.sort(key=lambda entry: entry.updated)

    def _write(
        self, turns: tuple[Turn, ...], told: list[tuple[int, str]], time: datetime, structured: bool
    ) -> Demonstration:
        """One call that reads turns and changes memory: a single agent's, or the writer's of a `structured` memory."""
        facts = list(dict.fromkeys(sentence for _, sentence in told))
        letter = {sentence: fact_letter(number - 1) for number, sentence in reversed(told)}
        turns = tuple(self._reworded(turn) for turn in turns)
        shown = self._shown(facts) if facts else self._rng.sample(self._memory, min(len(self._memory), 4))
        shown.sort(key=lambda entry: entry.updated)
        if structured:
            return self._write_structured(turns, facts, letter, shown, time)
        sentences = [entry.sentence for entry in shown]
        changes = self._changes(facts, letter, shown, time, lambda fact: "")
        prompt = render_compact_single(time, sentences, turns)
        return Demonstration("single", prompt, (("", format_changes(changes)),))

    def _write_structured(
        self, turns: tuple[Turn, ...], facts: list[str], letter: dict[str, str], shown: list[_Entry], time: datetime
    ) -> Demonstration:
        """The writer: `CORE_KINDS` in one text that is rewritten, plans and trips as episodes, the rest semantic."""
        before = self._core()
        of_core = [fact for fact in facts if _kind(fact) in CORE_KINDS]
        for fact in of_core:
            self._apply(self._memory, fact, time)
        self._memory.sort(key=lambda entry: entry.updated)
        after = self._core()
        shown = [entry for entry in shown if _kind(entry.sentence) not in CORE_KINDS]
        shown.sort(key=lambda entry: (_kind(entry.sentence) in EPISODIC_KINDS, entry.updated))
        sentences = [entry.sentence for entry in shown]
        split = sum(_kind(sentence) not in EPISODIC_KINDS for sentence in sentences)
        others = [fact for fact in facts if _kind(fact) not in CORE_KINDS]
        changes = self._changes(
            others, letter, shown, time, lambda fact: "episodic " if _kind(fact) in EPISODIC_KINDS else "semantic "
        )
        if of_core and after != before:
            changes.insert(0, (letter[of_core[-1]], "CORE", None, after))
        prompt = render_compact_write(time, before, sentences[:split], sentences[split:], turns)
        return Demonstration("writer", prompt, (("", format_changes(changes)),))

    def _changes(
        self,
        facts: list[str],
        letter: dict[str, str],
        shown: list[_Entry],
        time: datetime,
        store: Callable[[str], str],
    ) -> list[tuple[str, str, str | None, str]]:
        """Decides about `facts` and carries it out; returned as `format_changes` takes it, `store` before INSERTs."""
        sentences = [entry.sentence for entry in shown]
        ops = self._decide(facts, sentences, careful=False)
        changes: list[tuple[str, str, str | None, str]] = []
        for fact, (op, at) in zip(facts, ops, strict=True):
            if op == "INSERT":
                changes.append((letter[fact], op, None, store(fact) + fact))
            elif at is not None:
                changes.append((letter[fact], op, sentences[at], fact if op == "UPDATE" else ""))
        self._carry_out(facts, ops, shown, time)
        return changes

    def _core(self) -> str:
        """What the core text says: the latest of each of `CORE_KINDS`, speaker by speaker."""
        latest = {
            (s.speaker, s.kind): entry.sentence
            for entry in self._memory
            if (s := read(entry.sentence)) is not None and s.kind in CORE_KINDS
        }
        return " ".join(latest[key] for key in sorted(latest))

    def _drill(self, sentences: list[str], time: datetime) -> tuple[str, str]:
        """A decision about facts drawn from the whole conversation and from the entries themselves."""
        rng = self._rng
        said = [delta.content for delta in self._world.conversation.deltas]
        facts = [
            rng.choice(sentences) if sentences and rng.random() < 0.3 else rng.choice(said)
            for _ in range(rng.choice((1, 1, 2, 3)))
        ]
        facts = list(dict.fromkeys(facts))
        _, mark, rest = render_compact_manage(time, sentences, facts).partition("<facts>")
        ops = self._decide(facts, sentences, careful=self._mixture.careful)
        return mark + rest, _decision(ops, sentences)

    def _decide(self, facts: list[str], sentences: list[str], careful: bool) -> list[tuple[str, int | None]]:
        """One operation per fact, with the position it concerns from 0; imperfect unless `careful`."""
        rng, bad = self._rng, self._bad
        touched: set[int] = set()
        ops: list[tuple[str, int | None]] = []
        for fact in facts:
            decision = decide(fact, sentences)
            op, at = decision.op, decision.position
            taken = at is not None and at in touched
            if (op == "UPDATE" and (taken or (not careful and rng.random() < bad.stale))) or (
                op == "NOOP" and at is not None and not careful and rng.random() < bad.duplicate
            ):
                op, at = "INSERT", None
            elif op == "DELETE" and (taken or (not careful and rng.random() < bad.keep_gone)):
                op, at = "NOOP", None
            if op == "NOOP":
                at = None
            if at is not None:
                touched.add(at)
            ops.append((op, at))
        return ops

    @staticmethod
    def _insert(memory: list[_Entry], sentence: str, time: datetime) -> None:
        if all(entry.sentence != sentence for entry in memory):  # the bank merges exact duplicates
            memory.append(_Entry(sentence, time, time))

    def _apply(self, memory: list[_Entry], sentence: str, time: datetime) -> None:
        decision = decide(sentence, [entry.sentence for entry in memory])
        if decision.op == "INSERT":
            self._insert(memory, sentence, time)
        elif decision.position is not None and decision.op != "NOOP":
            entry = memory.pop(decision.position)
            if decision.op == "UPDATE":
                memory.append(_Entry(sentence, entry.created, time))

    def _quiz(self, questions: int) -> Demonstration | None:
        rng = self._rng
        memory = self._perfect if rng.random() < 0.6 else self._memory
        shown: list[_Entry] = []
        for speaker in self._world.conversation.speakers:
            mine = [e for e in memory if e.sentence.startswith((f"{speaker} ", f"{speaker}'s "))]
            chosen = set(rng.sample(range(len(mine)), min(len(mine), rng.choice((2, 4, 5, 6, 6, 6, 8)))))
            shown += [e for i, e in enumerate(mine) if i in chosen]
        if not shown:
            return None
        shown.sort(key=lambda entry: entry.updated)
        state = [(entry.sentence, entry.updated) for entry in shown]
        entries = [(entry.created, entry.updated, entry.sentence) for entry in shown]
        asked = list(self._world.conversation.questions)
        rng.shuffle(asked)
        prefix, branches, unknown = "", [], 0
        for question in asked[:40]:
            rests_on = support(self._world.specs[question.id], state)
            if not rests_on:
                unknown += 1
                if unknown > max(1, questions // 4):
                    continue
            words = question.text
            if self._rewording and rng.random() < self._rewording:
                words = reword_question(words, rng)
            text = render_compact_answer(entries, words)
            prefix, mark, rest = text.partition("<question>")
            branches.append((mark + rest, format_answer(rests_on)))
            if len(branches) == questions:
                break
        return Demonstration("answerer", prefix, tuple(branches)) if branches else None
