from __future__ import annotations

import math

import pytest

from fairmem.errors import ConfigError
from fairmem.lab.world import (
    ENTRIES,
    FEATURE,
    NEXT,
    SHARE,
    STATES,
    WORLDS,
    Kind,
    Op,
    Relation,
    WorldSettings,
    delayed,
    mixed,
    undone,
)


def after(kind: Kind, entries: tuple[int, int], op: Op) -> tuple[int, int]:
    return STATES[NEXT[kind, STATES.index(entries), op]]


@pytest.mark.parametrize(
    ("kind", "entries", "op", "expected"),
    [
        (Kind.FACT, (0, 0), Op.ADD, (1, 0)),
        (Kind.FACT, (0, 0), Op.UPDATE, (0, 0)),  # refused: nothing to update
        (Kind.FACT, (0, 0), Op.DELETE, (0, 0)),
        (Kind.REPEAT, (1, 0), Op.ADD, (2, 0)),  # a paraphrase takes room
        (Kind.REPEAT, (2, 0), Op.ADD, (2, 0)),  # refused: two entries are the most
        (Kind.REPEAT, (0, 1), Op.UPDATE, (1, 0)),
        (Kind.REPEAT, (1, 1), Op.DELETE, (1, 0)),  # the contradicting entry goes first
        (Kind.CHANGE, (1, 0), Op.NOOP, (0, 1)),  # what was right is wrong now
        (Kind.CHANGE, (1, 0), Op.ADD, (1, 1)),
        (Kind.CHANGE, (1, 0), Op.UPDATE, (1, 0)),
        (Kind.CHANGE, (2, 0), Op.UPDATE, (1, 1)),
        (Kind.CHANGE, (1, 0), Op.DELETE, (0, 0)),
        (Kind.NOISE, (1, 0), Op.ADD, (1, 1)),
        (Kind.NOISE, (1, 0), Op.UPDATE, (0, 1)),  # a gain is undone
        (Kind.NOISE, (1, 1), Op.DELETE, (0, 1)),
        (Kind.NOISE, (0, 1), Op.UPDATE, (0, 1)),
    ],
)
def test_an_operation_does_to_a_topic_what_it_says(
    kind: Kind, entries: tuple[int, int], op: Op, expected: tuple[int, int]
) -> None:
    assert after(kind, entries, op) == expected


@pytest.mark.parametrize(
    ("kind", "entries", "relation"),
    [
        (Kind.FACT, (0, 0), Relation.NONE),
        (Kind.REPEAT, (2, 0), Relation.AGREES),
        (Kind.REPEAT, (1, 1), Relation.CONTRADICTS),
        (Kind.CHANGE, (1, 0), Relation.CONTRADICTS),
        (Kind.NOISE, (1, 0), Relation.CONTRADICTS),
        (Kind.NOISE, (0, 0), Relation.NONE),
    ],
)
def test_the_policy_sees_the_kind_and_what_memory_holds(
    kind: Kind, entries: tuple[int, int], relation: Relation
) -> None:
    assert FEATURE[kind, STATES.index(entries)] == kind * 3 + relation


def test_a_question_is_answered_with_the_share_of_right_entries() -> None:
    assert dict(zip(STATES, SHARE.tolist(), strict=True)) == {
        (0, 0): 0.0,
        (1, 0): 1.0,
        (0, 1): 0.0,
        (2, 0): 1.0,
        (1, 1): 0.5,
        (0, 2): 0.0,
    }
    assert ENTRIES.tolist() == [0, 1, 1, 2, 2, 2]


def test_a_memory_of_everything_hides_as_much_as_crowding_says() -> None:
    settings = WorldSettings(5, 4, crowding=2.0)
    # 20 statements, an entry for each: exp(-2 / 20) ** 20 = exp(-2).
    assert settings.decisions == 20
    assert settings.found**20 == pytest.approx(math.exp(-2))


def test_without_interaction_nothing_changes_expires_or_crowds() -> None:
    settings = mixed(32, 0.0)
    assert (settings.change, settings.passing, settings.crowding) == (0.0, 0.0, 0.0)
    assert settings.fact == pytest.approx(0.6)
    everything = mixed(32, 1.0)
    assert (everything.fact, everything.passing, everything.change) == pytest.approx((0.2, 0.2, 0.2))
    assert everything.crowding == 2.0


def test_the_worlds_of_myopia_are_passing_facts_and_late_questions() -> None:
    assert set(WORLDS) == {"mixed", "undone", "delayed"}
    assert (undone(32, 0.5).passing, undone(32, 0.5).hold) == (0.4, 1)
    assert [delayed(sessions, 0.5).delay for sessions in (2, 8, 32)] == [1, 2, 8]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fact": 0.9}, "add up to 1"),
        ({"fact": -0.1, "noise": 0.75}, "0 or more"),
        ({"sessions": 0}, "must be 1 or more"),
        ({"delay": -1}, "delay 0 or more"),
        ({"crowding": -1.0}, "crowding and entry_cost"),
    ],
)
def test_settings_that_make_no_world_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WorldSettings(**{"sessions": 4, **changes})  # pyright: ignore[reportArgumentType]


def test_an_interaction_outside_its_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"interaction is 1\.5, expected a number from 0 to 1"):
        mixed(8, 1.5)
