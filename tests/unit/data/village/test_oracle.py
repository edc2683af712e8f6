"""The oracle reads every canonical sentence, keeps a perfect memory and answers from any memory."""

from collections import Counter
from datetime import datetime

import pytest

from fairmem.data.village import (
    KINDS,
    SPLITS,
    UNKNOWN,
    Decision,
    QuestionSpec,
    Split,
    Statement,
    World,
    answer,
    decide,
    long_date,
    read,
    real_lexicon,
    simulate,
    support,
)
from fairmem.data.village.kinds import article

MAY, JUNE, JULY = datetime(2023, 5, 7), datetime(2023, 6, 1), datetime(2023, 7, 30)

Memory = list[tuple[str, datetime]]


@pytest.mark.parametrize("name", list(KINDS))
def test_reading_is_the_inverse_of_writing_for_every_kind(name: str) -> None:
    kind = KINDS[name]
    for split in SPLITS:
        for value in real_lexicon(split).values[kind.lexicon_key]:
            written = kind.canonical.format(n="Ana", v=value, a=article(value))
            assert read(written) == Statement("Ana", name, value, True)
            if kind.gone:
                written = kind.gone.format(n="Ana", v=value, a=article(value))
                assert read(written) == Statement("Ana", name, value, False)


def test_what_is_not_canonical_is_not_read() -> None:
    for sentence in (
        "",
        "Ana is tired.",
        "I live in Lodz.",
        "Ana lives in Lodz",
        "Ana lives in .",
    ):
        assert read(sentence) is None, sentence


MEMORY = (
    "Ana lives in Lodz.",
    "Ana has a cat as a pet.",
    "Ana plans to visit Peru.",
    "Bo lives in Oslo.",
    "Ana said something odd.",
)


@pytest.mark.parametrize(
    ("fact", "decision"),
    [
        ("Ana lives in Lodz.", Decision("NOOP", 0)),
        ("Ana lives in Oslo.", Decision("UPDATE", 0)),
        ("Bo lives in Lodz.", Decision("UPDATE", 3)),
        ("Ana works as a baker.", Decision("INSERT")),
        ("Ana has a cat as a pet.", Decision("NOOP", 1)),
        ("Ana has a dog as a pet.", Decision("INSERT")),
        ("Bo has a cat as a pet.", Decision("INSERT")),
        ("Ana no longer has a cat as a pet.", Decision("DELETE", 1)),
        ("Ana no longer has a dog as a pet.", Decision("NOOP")),
        ("Ana no longer plans to visit Peru.", Decision("DELETE", 2)),
        ("Ana visited Peru.", Decision("UPDATE", 2)),
        ("Ana visited Chile.", Decision("INSERT")),
        ("Bo visited Peru.", Decision("INSERT")),
        ("Ana likes rain.", Decision("INSERT")),
    ],
)
def test_a_careful_manager(fact: str, decision: Decision) -> None:
    assert decide(fact, MEMORY) == decision


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (QuestionSpec("value", "Ana", "city"), "Lodz"),
        (QuestionSpec("value", "Ana", "food"), UNKNOWN),
        # Two pets, and the one that is gone is not named.
        (QuestionSpec("list", "Ana", "pet"), "cat, dog"),
        (QuestionSpec("list", "Bo", "pet"), UNKNOWN),
        # The plan came true, so nothing is planned any more.
        (QuestionSpec("list", "Ana", "plan"), UNKNOWN),
        (QuestionSpec("list", "Ana", "trip"), "Peru"),
        (QuestionSpec("when", "Ana", "trip", "Peru"), "30 July 2023"),
        (QuestionSpec("when", "Ana", "city", "Oslo"), UNKNOWN),
        # In the order of the question, not of the telling.
        (QuestionSpec("pair", "Bo", "job", then="city"), "baker, Oslo"),
        # Of two facts one is known: half an answer, not none.
        (QuestionSpec("pair", "Ana", "job", then="city"), "Lodz"),
        (QuestionSpec("pair", "Ana", "job", then="food"), UNKNOWN),
    ],
)
def test_a_perfect_answerer(spec: QuestionSpec, expected: str) -> None:
    memory: Memory = [
        ("Ana has a cat as a pet.", MAY),
        ("Ana has an owl as a pet.", MAY),
        ("Ana plans to visit Peru.", MAY),
        ("Ana lives in Lodz.", MAY),
        ("Ana has a dog as a pet.", JUNE),
        ("Ana no longer has an owl as a pet.", JUNE),
        ("Bo lives in Oslo.", JUNE),
        ("Bo works as a baker.", JUNE),
        ("It rained.", JUNE),
        ("Ana visited Peru.", JULY),
    ]
    assert answer(spec, memory) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (QuestionSpec("value", "Ana", "city"), [("Ana lives in Lodz.", "Lodz")]),
        (QuestionSpec("list", "Ana", "pet"), [("Ana has a cat as a pet.", "cat"), ("Ana has a dog as a pet.", "dog")]),
        (QuestionSpec("when", "Ana", "city", "Lodz"), [("Ana lives in Lodz.", "1 June 2023")]),
        (
            QuestionSpec("pair", "Ana", "city", then="job"),
            [("Ana lives in Lodz.", "Lodz"), ("Ana works as a baker.", "baker")],
        ),
        (QuestionSpec("value", "Bo", "city"), []),
        (QuestionSpec("pair", "Bo", "city", then="job"), []),
    ],
)
def test_an_answer_rests_on_the_sentences_that_tell_it(spec: QuestionSpec, expected: list[tuple[str, str]]) -> None:
    memory: Memory = [
        ("Ana lives in Paris.", MAY),
        ("Ana has a cat as a pet.", MAY),
        ("Ana works as a baker.", MAY),
        ("Ana lives in Lodz.", JUNE),
        ("Ana has a dog as a pet.", JUNE),
    ]
    assert support(spec, memory) == expected
    assert answer(spec, memory) == (", ".join(part for _, part in expected if part) or UNKNOWN)


def test_of_two_entries_that_contradict_each_other_the_later_one_counts() -> None:
    stale: Memory = [("Ana lives in Lodz.", MAY), ("Ana lives in Oslo.", JUNE)]
    assert answer(QuestionSpec("value", "Ana", "city"), stale) == "Oslo"


def test_long_dates_have_no_leading_zero() -> None:
    assert long_date(MAY) == "7 May 2023"


def remember(memory: Memory, fact: str, time: datetime) -> None:
    """What the careful manager makes of `fact`; entries stay in order of their last change."""
    decision = decide(fact, [text for text, _ in memory])
    if decision.op in ("UPDATE", "DELETE") and decision.position is not None:
        memory.pop(decision.position)
    if decision.op in ("INSERT", "UPDATE"):
        memory.append((fact, time))


def wrong_answers(world: World, asked: Counter[str]) -> list[str]:
    """Questions that perfect memory answers otherwise than the gold answer, after every session at which it holds."""
    wrong: list[str] = []
    memory: Memory = []
    for session in world.conversation.sessions:
        for delta in world.conversation.deltas:
            if delta.session == session.index:
                remember(memory, delta.content, session.time)
        for question in world.conversation.questions_after(session.index):
            spec = world.specs[question.id]
            asked[spec.form] += 1
            # Lists are in order of telling here, and in order of the last change there.
            if sorted(answer(spec, memory).split(", ")) != sorted(question.answer.split(", ")):
                wrong.append(f"{world.conversation.id} after {session.index}: {question}")
    return wrong


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("pseudo_words", [0.0, 0.8])
def test_gold_answers_follow_from_gold_memory_after_every_session_at_which_they_hold(
    split: Split, pseudo_words: float
) -> None:
    asked: Counter[str] = Counter()
    wrong: list[str] = []
    for index in range(60):
        sessions = 24 if index % 20 == 0 else 8
        wrong += wrong_answers(simulate(21, split, index, sessions, (0.0, 0.5, 1.0)[index % 3], pseudo_words), asked)
    assert wrong == []
    assert set(asked) == {"value", "list", "when", "pair"} and sum(asked.values()) > 5000


def test_the_oracle_notices_a_memory_that_keeps_what_was_taken_back() -> None:
    # The check above would be worth nothing if any memory passed it: deletions are left out here.
    wrong: list[str] = []
    for index in range(4):
        world = simulate(21, "train", index, 16, 1.0)
        kept: Memory = []
        times = {session.index: session.time for session in world.conversation.sessions}
        for delta in world.conversation.deltas:
            if delta.kind != "retract":
                remember(kept, delta.content, times[delta.session])
        asked = world.conversation.questions_after(16)
        wrong += [q.id for q in asked if answer(world.specs[q.id], kept) != q.answer]
    assert wrong
