"""What happens in a conversation, and how the dial of difficulty changes how often."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from fairmem.data.village import SPLITS, World, read, simulate
from fairmem.types import Delta

DIALS = (0.0, 0.5, 1.0)


def worlds(difficulty: float, count: int = 30, sessions: int = 16) -> list[World]:
    return [simulate(17, "train", index, sessions, difficulty) for index in range(count)]


BY_DIAL = {difficulty: worlds(difficulty) for difficulty in DIALS}


def deltas(difficulty: float, kind: str) -> list[Delta]:
    return [d for world in BY_DIAL[difficulty] for d in world.conversation.deltas if d.kind == kind]


def kinds_of(delta: Delta) -> tuple[str, str]:
    """(kind of fact before, kind of fact after)"""
    before, after = read(delta.previous or ""), read(delta.content)
    assert before is not None and after is not None
    return before.kind, after.kind


def test_facts_are_changed_taken_back_and_repeated() -> None:
    for difficulty in DIALS:
        assert {d.kind for world in BY_DIAL[difficulty] for d in world.conversation.deltas} == {
            "new",
            "change",
            "retract",
            "repeat",
        }


def test_plans_come_true_or_are_given_up() -> None:
    came_true = [d for d in deltas(0.5, "change") if kinds_of(d) == ("plan", "trip")]
    given_up = [d for d in deltas(0.5, "retract") if kinds_of(d) == ("plan", "plan")]
    assert len(came_true) > 20 and len(given_up) > 20
    for delta in came_true:
        before, after = read(delta.previous or ""), read(delta.content)
        assert before and after and before.value == after.value


def test_any_other_change_is_to_another_value_of_the_same_single_valued_kind() -> None:
    others = [d for d in deltas(0.5, "change") if kinds_of(d) != ("plan", "trip")]
    assert len(others) > 100
    for delta in others:
        before, after = read(delta.previous or ""), read(delta.content)
        assert before and after and before.kind == after.kind and before.value != after.value


def test_a_repetition_is_told_again_in_a_later_turn_and_means_the_same() -> None:
    repeats = deltas(0.5, "repeat")
    assert len(repeats) > 100
    for delta in repeats:
        assert delta.content == delta.previous and read(delta.content) is not None


def test_what_is_said_of_people_outside_is_kept_apart_and_never_gold() -> None:
    for world in BY_DIAL[1.0]:
        talk = world.conversation
        said = {turn.id: turn.text for session in talk.sessions for turn in session.turns}
        gold = {d.content for d in talk.deltas}
        assert world.hearsay
        for turn, sentence in world.hearsay:
            statement = read(sentence)
            assert statement is not None and statement.speaker not in talk.speakers
            assert statement.speaker in said[turn] and statement.value in said[turn]
            assert sentence not in gold


def test_a_speaker_never_holds_more_of_a_kind_than_the_limits() -> None:
    limits = {"pet": 2, "item": 3, "instrument": 2, "plan": 2}
    for world in BY_DIAL[0.5]:
        held: Counter[tuple[str, str]] = Counter()
        for delta in world.conversation.deltas:
            statement = read(delta.content)
            assert statement is not None
            if delta.kind in ("retract", "change"):
                held[delta.speaker, kinds_of(delta)[0]] -= 1
            if delta.kind in ("new", "change"):
                held[delta.speaker, statement.kind] += 1
            assert all(count <= limits.get(kind, 1) for (_, kind), count in held.items() if kind != "trip")
            assert min(held.values()) >= 0


def test_the_dial_makes_change_repetition_distraction_and_double_statements_more_frequent() -> None:
    by_dial = {dial: worlds(dial, count=60, sessions=8) for dial in (0.0, 0.25, 0.5, 0.75, 1.0)}

    def said(kind: str) -> list[float]:
        """Share of this kind among all that is told, by dial."""
        told = [[d.kind for world in by_dial[dial] for d in world.conversation.deltas] for dial in by_dial]
        return [kinds.count(kind) / len(kinds) for kinds in told]

    def per_turn(count: Callable[[World], int]) -> list[float]:
        return [
            sum(map(count, made)) / sum(len(s.turns) for world in made for s in world.conversation.sessions)
            for made in by_dial.values()
        ]

    def twice(world: World) -> int:
        """Turns that state two things at once."""
        return sum(count > 1 for count in Counter(d.turn for d in world.conversation.deltas).values())

    changes, doubles = said("change"), per_turn(twice)
    for found in (changes, said("repeat"), per_turn(lambda world: len(world.hearsay)), doubles):
        assert all(low < high for low, high in pairwise(found)), found
    assert all(high > low for high, low in pairwise(said("new")))
    # Little is taken back at any setting, least at the easy end; changes crowd out lists at the hard one.
    assert min(said("retract")[1:]) > said("retract")[0]
    # Seed 17: 8 % changes at the easy end, 44 % at the hard one.
    assert changes[0] < 0.12 and changes[-1] > 0.35
    assert doubles[0] == 0


def test_nobody_visits_more_than_five_countries_however_long_they_talk() -> None:
    for world in (simulate(3, split, 0, 128, 0.5) for split in SPLITS):
        visited: dict[str, list[str]] = {speaker: [] for speaker in world.conversation.speakers}
        for delta in world.conversation.deltas:
            statement = read(delta.content)
            if delta.kind != "repeat" and statement is not None and statement.kind == "trip":
                visited[delta.speaker].append(statement.value)
        assert all(len(countries) == len(set(countries)) <= 5 for countries in visited.values())
        assert any(visited.values())
