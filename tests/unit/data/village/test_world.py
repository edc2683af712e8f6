"""What happens in a conversation, and how the dial of difficulty changes how often."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from fairmem.data.village import World, read, simulate
from fairmem.types import Delta

DIALS = (0.0, 0.5, 1.0)


def worlds(difficulty: float, count: int = 30, sessions: int = 16) -> list[World]:
    return [simulate(17, "train", index, sessions, difficulty) for index in range(count)]


BY_DIAL = {difficulty: worlds(difficulty) for difficulty in DIALS}


def deltas(difficulty: float, kind: str) -> list[Delta]:
    return [d for world in BY_DIAL[difficulty] for d in world.conversation.deltas if d.kind == kind]


def turns(difficulty: float) -> int:
    return sum(len(s.turns) for world in BY_DIAL[difficulty] for s in world.conversation.sessions)


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


def test_repetitions_are_in_the_same_words_or_in_others() -> None:
    repeats = deltas(0.5, "repeat")
    same = sum(d.content == d.previous for d in repeats)
    assert same > 20 and len(repeats) - same > 20
    for delta in repeats:
        assert read(delta.content) == read(delta.previous or "")


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


def test_difficulty_makes_repetition_retraction_and_distraction_more_frequent() -> None:
    def rates(count: Callable[[float], int]) -> list[float]:
        return [count(d) / turns(d) for d in DIALS]

    def twice(difficulty: float) -> int:
        """Turns that state two things at once."""
        told = [Counter(d.turn for d in world.conversation.deltas) for world in BY_DIAL[difficulty]]
        return sum(count > 1 for counts in told for count in counts.values())

    for found in (
        rates(lambda d: len(deltas(d, "repeat"))),
        rates(lambda d: len(deltas(d, "retract"))),
        rates(lambda d: sum(len(world.hearsay) for world in BY_DIAL[d])),
        rates(twice),
    ):
        assert all(low < high for low, high in pairwise(found)), found
    assert twice(0.0) == 0
