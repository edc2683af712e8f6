"""Simulates what two villagers tell each other over months: the truth, the turns that say it, and when it held.

A conversation is simulated session by session. Each turn states something new, changes it, takes it back,
repeats it in the same or other words, announces or carries out a plan, talks about somebody else, or is small
talk. One `difficulty` in [0, 1] sets how often each of the harder things happens. The questions are drawn from
another random stream (`questions.py`), so the first k sessions do not depend on how many follow.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from fairmem.data.village.kinds import KINDS, Kind, article
from fairmem.data.village.lexicon import Lexicon
from fairmem.data.village.splits import Split, phrasings
from fairmem.data.village.talk import CLOSERS, OPENERS, OTHERS_SAY, RELATIONS, SMALL_TALK
from fairmem.errors import ConfigError
from fairmem.types import Delta, Session, Turn

MAX_SESSIONS = 128
_MOST_HELD = {"pet": 2, "item": 2, "instrument": 2, "plan": 2, "trip": 3}
_STATED_KINDS = tuple(KINDS[name] for name in KINDS if name != "trip")


@dataclass(slots=True)
class Version:
    """A value that held for a speaker from one turn on, and until when (`until` is the session that ended it)."""

    speaker: str
    kind: Kind
    value: str
    sentence: str
    turn: str
    session: int
    time: datetime
    until: int | None = None
    ended_by: str | None = None

    def holds_in(self, session: int) -> bool:
        """Whether the value still holds after `session`."""
        return self.session <= session and (self.until is None or session < self.until)


@dataclass(slots=True)
class History:
    """What was simulated: the sessions, the gold deltas and every version of every fact."""

    speakers: tuple[str, str]
    sessions: list[Session] = field(default_factory=list)
    deltas: list[Delta] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    hearsay: list[tuple[str, str]] = field(default_factory=list)
    """(turn id, canonical sentence) of what was said about people outside the conversation."""


class Simulator:
    """Simulates one conversation. `rng` is used up in order of time only."""

    def __init__(self, rng: random.Random, lexicon: Lexicon, split: Split, difficulty: float) -> None:
        """`lexicon` gives names and values, `split` the phrasings, `difficulty` in [0, 1] the mix of events."""
        if not 0.0 <= difficulty <= 1.0:
            raise ConfigError(f"difficulty is {difficulty}, expected a number from 0 (easy) to 1 (hard)")
        self._rng = rng
        self._lexicon = lexicon
        self._split: Split = split
        d = self._difficulty = difficulty
        self._p_small_talk = 0.40 - 0.05 * d
        self._p_other = self._p_small_talk + 0.04 + 0.16 * d
        self._p_repeat = 0.08 + 0.10 * d
        self._p_gone = self._p_repeat + 0.05 + 0.07 * d
        self._p_fulfil = self._p_gone + 0.07
        self._p_change = 0.05 + 0.60 * d
        self._p_dressing = 0.10 + 0.20 * d
        first, second = rng.sample(lexicon.names, 2)
        self._others = [name for name in lexicon.names if name not in (first, second)]
        self.history = History((first, second))
        self._current: dict[str, list[Version]] = {first: [], second: []}
        start = datetime(2021, 1, 1) + timedelta(days=rng.randrange(900))
        self._time = start.replace(hour=rng.randrange(8, 22), minute=rng.randrange(60))

    def run(self, sessions: int) -> History:
        """Simulate `sessions` sessions (1 to 128)."""
        if not 1 <= sessions <= MAX_SESSIONS:
            raise ConfigError(f"village sessions is {sessions}, expected 1 to {MAX_SESSIONS}")
        for index in range(1, sessions + 1):
            self.history.sessions.append(self._session(index))
            self._time += timedelta(days=self._rng.randrange(3, 21), minutes=self._rng.randrange(-90, 90))
        return self.history

    def _session(self, index: int) -> Session:
        rng = self._rng
        turns: list[Turn] = []
        first = rng.randrange(2)
        for number in range(1, rng.choice((6, 7, 8)) + 1):
            speaker = self.history.speakers[(first + number) % 2]
            turn_id = f"D{index}:{number}"
            turns.append(Turn(turn_id, speaker, self._utterance(speaker, index, turn_id)))
        return Session(index, self._time, tuple(turns))

    def _utterance(self, speaker: str, session: int, turn: str) -> str:
        rng = self._rng
        u = rng.random()
        if u < self._p_small_talk:
            return self._phrase(SMALL_TALK)
        text = self._about_others(turn) if u < self._p_other else self._statement(speaker, session, turn)
        if u >= self._p_other and rng.random() < 0.12 * self._difficulty:
            text = f"{text} {self._statement(speaker, session, turn)}"
        if rng.random() < self._p_dressing:
            text = f"{self._phrase(OPENERS)} {text}"
        if rng.random() < self._p_dressing:
            text = f"{text} {self._phrase(CLOSERS)}"
        return text

    def _phrase(self, lines: tuple[str, ...]) -> str:
        return self._rng.choice(phrasings(lines, self._split))

    def _about_others(self, turn: str) -> str:
        rng = self._rng
        key = rng.choice(tuple(OTHERS_SAY))
        value = rng.choice(self._lexicon.values[key])
        other = rng.choice(self._others)
        relation = self._phrase(RELATIONS).format(o=other)
        sentence = KINDS[key].canonical.format(n=other, v=value, a=article(value))
        self.history.hearsay.append((turn, sentence))
        return self._phrase(OTHERS_SAY[key]).format(r=relation, v=value, a=article(value))

    def _statement(self, speaker: str, session: int, turn: str) -> str:
        rng, current = self._rng, self._current[speaker]
        u = rng.random()
        told = [v for v in current if v.turn != turn]  # nobody repeats or recants within one breath
        if u < self._p_repeat and told:
            return self._repeat(rng.choice(told), session, turn)
        if u < self._p_gone:
            losable = [v for v in told if v.kind.gone]
            if losable:
                return self._take_back(rng.choice(losable), session, turn)
        elif u < self._p_fulfil:
            plans = [v for v in current if v.kind.name == "plan" and v.session < session]
            visited = sum(v.kind.name == "trip" for v in current)
            if plans and visited < _MOST_HELD["trip"]:
                plan = rng.choice(plans)
                self._end(plan, session, turn)
                return self._state(speaker, KINDS["trip"], plan.value, session, turn, replaces=plan)
        return self._news(speaker, session, turn)

    def _news(self, speaker: str, session: int, turn: str) -> str:
        """A new value; single-valued kinds that are already known change with the probability of the dial."""
        rng, current = self._rng, self._current[speaker]
        told = [v.kind for v in current if not v.kind.multiple]
        room = [k for k in _STATED_KINDS if sum(v.kind is k for v in current) < _MOST_HELD.get(k.name, 1)]
        if told and (not room or rng.random() < self._p_change):
            kind = rng.choice(told)
        else:
            kind = rng.choice(room or _STATED_KINDS)
        held = [v for v in current if v.kind is kind]
        known = {v.value for v in current if v.kind.lexicon_key == kind.lexicon_key}
        fresh = [value for value in self._lexicon.values[kind.lexicon_key] if value not in known]
        if not fresh:  # every country was planned or visited
            return self._repeat(rng.choice(current), session, turn)
        value = rng.choice(fresh)
        if kind.multiple:
            if len(held) >= _MOST_HELD[kind.name]:
                return self._take_back(held[0], session, turn)
            return self._state(speaker, kind, value, session, turn)
        old = held[0] if held else None
        if old is not None:
            self._end(old, session, turn)
        return self._state(speaker, kind, value, session, turn, replaces=old)

    def _state(
        self, speaker: str, kind: Kind, value: str, session: int, turn: str, replaces: Version | None = None
    ) -> str:
        sentence = kind.canonical.format(n=speaker, v=value, a=article(value))
        version = Version(speaker, kind, value, sentence, turn, session, self._time)
        self._current[speaker].append(version)
        self.history.versions.append(version)
        change: Literal["new", "change"] = "new" if replaces is None else "change"
        previous = None if replaces is None else replaces.sentence
        self.history.deltas.append(Delta(session, turn, change, speaker, sentence, previous))
        return _spoken(self._phrase(kind.says), value)

    def _repeat(self, version: Version, session: int, turn: str) -> str:
        self.history.deltas.append(Delta(session, turn, "repeat", version.speaker, version.sentence, version.sentence))
        return _spoken(self._phrase(version.kind.says), version.value)

    def _take_back(self, version: Version, session: int, turn: str) -> str:
        self._end(version, session, turn)
        value = version.value
        sentence = version.kind.gone.format(n=version.speaker, v=value, a=article(value))
        self.history.deltas.append(Delta(session, turn, "retract", version.speaker, sentence, version.sentence))
        return _spoken(self._phrase(version.kind.says_gone), value)

    def _end(self, version: Version, session: int, turn: str) -> None:
        version.until = session
        version.ended_by = turn
        self._current[version.speaker].remove(version)


def _spoken(template: str, value: str) -> str:
    return template.format(v=value, a=article(value))
