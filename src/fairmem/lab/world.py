"""Small memory worlds: what is said in a conversation, what an operation does to memory, what the questions score.

A conversation is a fixed list of statements, a few per session, each about one topic. Memory holds up to two entries
per topic, each right (it says what holds now) or wrong. The policy answers every statement with one operation.
Questions ask what holds; they are answered exactly, so a reward has no noise of its own. All that ties topics together
is the size of memory: every entry costs room, and every entry makes it a little less likely that the one needed is
found. That product form keeps the values of thousands of decisions computable exactly (`fairmem.lab.exact`).

Simplified: the text is gone, a statement's kind is seen as it is, and the policy sees the entries of the statement's
own topic only, as a manager that is shown related entries does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from fairmem.errors import ConfigError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


class Kind(IntEnum):
    """What a statement is."""

    FACT = 0
    """A new lasting fact on a topic of its own."""
    PASSING = 1
    """A new fact that holds for a few sessions only; afterwards nobody asks and its entry is clutter."""
    CHANGE = 2
    """A new value of a known fact; what memory holds about it is wrong from now on."""
    REPEAT = 3
    """A known fact, said again."""
    NOISE = 4
    """Not true or not asked about; on a known topic (half of the time) it contradicts what is right."""


class Op(IntEnum):
    """What the policy may do about a statement."""

    NOOP = 0
    ADD = 1
    """A new entry; refused when the topic has two."""
    UPDATE = 2
    """Overwrite an entry of the topic, one that contradicts the statement first; refused without an entry."""
    DELETE = 3
    """Remove an entry of the topic, one that contradicts the statement first; refused without an entry."""


class Relation(IntEnum):
    """What memory holds about a statement's topic."""

    NONE = 0
    AGREES = 1
    CONTRADICTS = 2


STATES: tuple[tuple[int, int], ...] = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
"""(right, wrong) entries of a topic; a topic's state is an index into this. 0 is: no entry."""
FEATURES = len(Kind) * len(Relation)
"""What the policy can tell apart: `kind * 3 + relation`."""


def _after(kind: Kind, right: int, wrong: int) -> tuple[int, int]:
    """The topic's entries when the statement has been said and nothing been done yet."""
    return (0, right + wrong) if kind == Kind.CHANGE else (right, wrong)


def _relation(kind: Kind, right: int, wrong: int) -> Relation:
    contradicting = right + wrong if kind == Kind.NOISE else wrong
    if contradicting:
        return Relation.CONTRADICTS
    return Relation.AGREES if right else Relation.NONE


def _apply(kind: Kind, op: Op, right: int, wrong: int) -> tuple[int, int]:
    """The topic's entries after the statement and the operation."""
    right, wrong = _after(kind, right, wrong)
    true = kind != Kind.NOISE
    if op == Op.ADD and right + wrong < 2:
        return (right + 1, wrong) if true else (right, wrong + 1)
    if op in (Op.UPDATE, Op.DELETE) and right + wrong > 0:
        # A true statement is contradicted by the wrong entries, a false one by the right ones first.
        hits_right = right > 0 and (not true or wrong == 0)
        right, wrong = (right - 1, wrong) if hits_right else (right, wrong - 1)
        if op == Op.UPDATE:
            return (right + 1, wrong) if true else (right, wrong + 1)
    return right, wrong


NEXT = np.array(
    [[[STATES.index(_apply(kind, op, *state)) for op in Op] for state in STATES] for kind in Kind], dtype=np.uint8
)
"""NEXT[kind, state, op]: a topic's state after a statement and an operation."""
FEATURE = np.array(
    [[kind * len(Relation) + _relation(kind, *_after(kind, *state)) for state in STATES] for kind in Kind],
    dtype=np.uint8,
)
"""FEATURE[kind, state]: what the policy sees."""
ENTRIES = np.array([right + wrong for right, wrong in STATES], dtype=np.int64)
"""Entries of a topic, by state."""
SHARE = np.array([right / (right + wrong) if right else 0.0 for right, wrong in STATES])
"""Score of a question about a topic whose entries were all found, by state: the share of right ones."""


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """A kind of conversation.

    Attributes:
        sessions: S, the horizon.
        statements: Statements per session, each of which takes one decision.
        fact: Share of statements that are new lasting facts. This and the next four add up to 1.
        passing: Share of new facts that hold for `hold` sessions only.
        change: Share of changes of a known fact (a new fact while none is known).
        repeat: Share of repetitions of a known fact (a new fact while none is known).
        noise: Share of noise.
        hold: Sessions for which a passing fact holds, its own included.
        delay: Sessions after which a lasting fact is first asked about (at the end at the latest); 0: at once.
        crowding: How much entries hide each other: with n entries after D statements in all, a question finds its
            entry with probability exp(-crowding n / D). The price of an entry that all other topics pay.
        entry_cost: Penalty of the reward per entry and statement heard: an entry for each costs this much.
    """

    sessions: int
    statements: int = 4
    fact: float = 0.4
    passing: float = 0.1
    change: float = 0.1
    repeat: float = 0.15
    noise: float = 0.25
    hold: int = 2
    delay: int = 0
    crowding: float = 1.0
    entry_cost: float = 0.3

    def __post_init__(self) -> None:
        shares = (self.fact, self.passing, self.change, self.repeat, self.noise)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
            raise ConfigError(f"shares of statements must be 0 or more and add up to 1, found {shares}")
        if min(self.sessions, self.statements, self.hold) < 1 or self.delay < 0:
            raise ConfigError(
                "sessions, statements and hold must be 1 or more and delay 0 or more, found "
                f"{self.sessions}, {self.statements}, {self.hold} and {self.delay}"
            )
        if not (self.crowding >= 0 and self.entry_cost >= 0):
            raise ConfigError(f"crowding and entry_cost must be 0 or more, found {self.crowding} and {self.entry_cost}")

    @property
    def decisions(self) -> int:
        """D, statements of the conversation."""
        return self.sessions * self.statements

    @property
    def found(self) -> float:
        """Factor by which one more entry lowers the chance to find any."""
        return math.exp(-self.crowding / self.decisions)


def mixed(sessions: int, interaction: float = 0.5) -> WorldSettings:
    """A bit of everything.

    Args:
        sessions: S.
        interaction: How much sessions interact, from 0 (each fact is for ever, and no entry is in another's way)
            to 1 (of the new facts half are passing, a fifth of all statements change known facts, and a memory
            of everything hides six entries of seven).

    Raises:
        ConfigError: `interaction` outside [0, 1].
    """
    if not 0 <= interaction <= 1:
        raise ConfigError(f"interaction is {interaction:g}, expected a number from 0 to 1")
    moved = 0.2 * interaction
    return WorldSettings(
        sessions, fact=0.6 - 2 * moved, passing=moved, change=moved, repeat=0.15, noise=0.25, crowding=2 * interaction
    )


def undone(sessions: int, interaction: float = 0.5) -> WorldSettings:
    """Most of what is said holds today only: to write it looks good at once, and is clutter from tomorrow on."""
    return replace(mixed(sessions, interaction), fact=0.2, passing=0.4, change=0.1, repeat=0.1, noise=0.2, hold=1)


def delayed(sessions: int, interaction: float = 0.5) -> WorldSettings:
    """Nothing is asked about before a quarter of the conversation has passed: to write it costs, and pays later."""
    return replace(mixed(sessions, interaction), delay=max(1, sessions // 4))


WORLDS: Mapping[str, Callable[[int, float], WorldSettings]] = {"mixed": mixed, "undone": undone, "delayed": delayed}
"""Name -> settings for (sessions, interaction)."""
