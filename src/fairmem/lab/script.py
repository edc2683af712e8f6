"""One conversation of a world: who says what when, and when it is asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairmem.errors import ConfigError
from fairmem.lab.world import Bools, Bytes, Ints, Kind, WorldSettings


@dataclass(frozen=True, slots=True)
class Script:
    """One conversation: D = S * statements decisions about K topics. All rollouts of it share it.

    Attributes:
        settings: What it was drawn from.
        kind_D: `Kind` of each statement.
        topic_D: Its topic, 0 to K - 1.
        opens_K: First session (from 0) after which the topic is asked about; S if it never is.
        closes_K: First session after which it no longer is; S if it is to the end.
        settled_D: Whether the statement says what holds at the end of the conversation on an asked topic: the
            evidence of that topic's question.
    """

    settings: WorldSettings
    kind_D: Bytes
    topic_D: Ints
    opens_K: Ints
    closes_K: Ints
    settled_D: Bools

    @property
    def decisions(self) -> int:
        """D."""
        return len(self.kind_D)

    @property
    def topics(self) -> int:
        """K."""
        return len(self.opens_K)

    @property
    def session_D(self) -> Ints:
        """Session of each statement, from 0."""
        return np.arange(self.decisions) // self.settings.statements

    @property
    def asked_K(self) -> Bools:
        """Topics asked about at the end."""
        return (self.opens_K < self.settings.sessions) & (self.closes_K >= self.settings.sessions)

    @property
    def evidence_K_S(self) -> Bools:
        """Sessions that hold evidence of the final question about a topic."""
        evidence = np.zeros((self.topics, self.settings.sessions), dtype=np.bool_)
        evidence[self.topic_D[self.settled_D], self.session_D[self.settled_D]] = True
        return evidence

    def open_K(self, session: int) -> Bools:
        """Topics that the quiz after `session` asks about."""
        return (self.opens_K <= session) & (session < self.closes_K)


def script_of(settings: WorldSettings, statements: list[tuple[Kind, int]]) -> Script:
    """The conversation of these (kind, topic) statements in order.

    Raises:
        ConfigError: not S * statements of them, topics not numbered by first appearance, a new fact on a known
            topic, or a change or repetition of something that is no lasting fact.
    """
    if len(statements) != settings.sessions * settings.statements:
        raise ConfigError(f"{settings.sessions} sessions of {settings.statements} statements, found {len(statements)}")
    last = settings.sessions
    opens: list[int] = []
    closes: list[int] = []
    set_by: dict[int, int] = {}
    lasting: set[int] = set()
    for place, (kind, topic) in enumerate(statements):
        session = place // settings.statements
        if topic > len(opens) or (topic == len(opens) and kind in (Kind.CHANGE, Kind.REPEAT)):
            raise ConfigError(f"statement {place}: {kind.name} about topic {topic}, of which nothing was said")
        if topic < len(opens) and (kind in (Kind.FACT, Kind.PASSING) or topic not in lasting):
            raise ConfigError(f"statement {place}: {kind.name} about topic {topic}, which cannot be said of it")
        if kind == Kind.FACT:
            lasting.add(topic)
            opens.append(min(session + settings.delay, last - 1))
            closes.append(last)
        elif kind == Kind.PASSING:
            opens.append(session)
            closes.append(min(session + settings.hold, last))
        elif topic == len(opens):
            opens.append(last)
            closes.append(last)
        if kind in (Kind.FACT, Kind.PASSING, Kind.CHANGE):
            set_by[topic] = place
    settled = [
        kind != Kind.NOISE and opens[topic] < last <= closes[topic] and place >= set_by[topic]
        for place, (kind, topic) in enumerate(statements)
    ]
    return Script(
        settings,
        np.array([kind for kind, _ in statements], dtype=np.uint8),
        np.array([topic for _, topic in statements], dtype=np.int64),
        np.array(opens, dtype=np.int64),
        np.array(closes, dtype=np.int64),
        np.array(settled, dtype=np.bool_),
    )


def draw_script(settings: WorldSettings, rng: np.random.Generator) -> Script:
    """A random conversation. The first statement is always a fact, so that something can be asked."""
    shares = (settings.fact, settings.passing, settings.change, settings.repeat, settings.noise)
    kinds = rng.choice(len(shares), size=settings.sessions * settings.statements, p=np.array(shares) / sum(shares))
    statements: list[tuple[Kind, int]] = []
    lasting: list[int] = []
    topics = 0
    for number in kinds:
        kind = Kind(int(number)) if lasting else Kind.FACT
        known = kind in (Kind.CHANGE, Kind.REPEAT) or (kind == Kind.NOISE and rng.random() < 0.5)
        topic = lasting[int(rng.integers(len(lasting)))] if known else topics
        if kind == Kind.FACT:
            lasting.append(topic)
        topics += not known
        statements.append((kind, topic))
    return script_of(settings, statements)
