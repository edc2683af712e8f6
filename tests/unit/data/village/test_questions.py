"""Which questions a history gives: gold answer, evidence, and the stretch of sessions over which each holds."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from fairmem.data.village import KINDS, SPLITS, UNKNOWN, QuestionWriter, Split, simulate
from fairmem.data.village.questions import PER_SESSION, _Candidate
from fairmem.data.village.world import History, Version
from fairmem.types import Session, Turn

START = datetime(2023, 5, 1)

Row = tuple[str, str, str, tuple[str, ...], int, int | None]
"""(speaker, answer, category, evidence, asked from, valid until)"""


def day(session: int) -> datetime:
    """Session 1 is on 1 May, session 2 on 2 May, ..."""
    return START + timedelta(days=session - 1)


def version(speaker: str, kind: str, value: str, session: int, until: int | None = None) -> Version:
    """A fact told by turn 1 (Ana) or 2 (Bo) of `session`, ended by turn 1 or 2 of session `until`."""
    number = 1 if speaker == "Ana" else 2
    ended = None if until is None else f"D{until}:{number}"
    return Version(speaker, KINDS[kind], value, "", f"D{session}:{number}", session, day(session), until, ended)


def writer(*versions: Version) -> QuestionWriter:
    history = History(("Ana", "Bo"))
    for index in range(1, 7):
        turns = tuple(Turn(f"D{index}:{n}", who, "...") for n, who in enumerate(("Ana", "Bo"), 1))
        history.sessions.append(Session(index, day(index), turns))
    history.versions += versions
    return QuestionWriter(random.Random(0), "train", history)


def rows(candidates: Sequence[_Candidate], form: str) -> list[Row]:
    found = [
        (c.spec.speaker, c.answer, c.category, c.evidence, c.asked_from, c.valid_until)
        for c in candidates
        if c.spec.form == form and c.category != "open_domain"
    ]
    return sorted(found, key=lambda row: (row[4], row[0], row[1]))


def test_a_value_is_asked_from_the_session_that_tells_it_until_before_the_one_that_changes_it() -> None:
    made = writer(version("Ana", "city", "Lodz", 1, until=3), version("Ana", "city", "Oslo", 3))
    assert rows(made._about_single(), "value") == [
        ("Ana", "Lodz", "single_hop", ("D1:1",), 1, 2),
        ("Ana", "Oslo", "knowledge_update", ("D3:1",), 3, None),
    ]


def test_a_value_that_was_changed_within_its_session_is_never_asked() -> None:
    made = writer(version("Ana", "city", "Lodz", 2, until=2), version("Ana", "city", "Oslo", 2))
    assert rows(made._about_single(), "value") == [("Ana", "Oslo", "knowledge_update", ("D2:1",), 2, None)]
    assert rows(made._when(), "when") == [("Ana", "2 May 2023", "temporal", ("D2:1",), 2, None)]


def test_a_list_is_asked_anew_whenever_the_set_changes() -> None:
    made = writer(version("Ana", "pet", "cat", 1, until=4), version("Ana", "pet", "dog", 2))
    assert rows(made._about_multiple(), "list") == [
        ("Ana", "cat", "single_hop", ("D1:1",), 1, 1),
        ("Ana", "cat, dog", "multi_hop", ("D1:1", "D2:1"), 2, 3),
        # The turn that took the cat back is evidence too: without it the answer would be "cat, dog".
        ("Ana", "dog", "knowledge_update", ("D2:1", "D4:1"), 4, None),
    ]


def test_an_empty_set_is_sometimes_asked_and_rests_on_the_turn_that_emptied_it() -> None:
    asked = [writer(version("Ana", "pet", "cat", 1, until=4)) for _ in range(40)]
    for seed, made in enumerate(asked):
        made._rng = random.Random(seed)
    empty = [row for made in asked for row in rows(made._about_multiple(), "list") if row[4] == 4]
    assert set(empty) == {("Ana", UNKNOWN, "knowledge_update", ("D4:1",), 4, None)}
    # Asked with probability 0.4: 16 of 40, standard deviation 3.1.
    assert 6 <= len(empty) <= 26


def test_a_date_is_asked_while_the_fact_holds() -> None:
    made = writer(
        version("Ana", "pet", "cat", 1, until=4), version("Bo", "trip", "Peru", 5), version("Bo", "food", "soup", 1)
    )
    assert rows(made._when(), "when") == [
        ("Ana", "1 May 2023", "temporal", ("D1:1",), 1, 3),
        # Nobody asks since when somebody loves soup.
        ("Bo", "5 May 2023", "temporal", ("D5:2",), 5, None),
    ]


def test_two_facts_of_one_person_are_asked_together_while_both_hold() -> None:
    made = writer(
        version("Ana", "city", "Lodz", 1, until=3),
        version("Ana", "city", "Oslo", 3),
        version("Ana", "job", "baker", 2, until=5),
        version("Bo", "food", "soup", 1),
    )
    # Each pair in both orders of asking; evidence follows the order of the answer.
    assert rows(made._pairs(), "pair") == [
        ("Ana", "Lodz, baker", "multi_hop", ("D1:1", "D2:1"), 2, 2),
        ("Ana", "baker, Lodz", "multi_hop", ("D2:1", "D1:1"), 2, 2),
        ("Ana", "Oslo, baker", "multi_hop", ("D3:1", "D2:1"), 3, 4),
        ("Ana", "baker, Oslo", "multi_hop", ("D2:1", "D3:1"), 3, 4),
    ]


def test_two_facts_told_in_one_session_are_no_matter_of_several_sessions() -> None:
    made = writer(version("Ana", "city", "Lodz", 2), version("Ana", "job", "baker", 2))
    assert made._pairs() == []


def test_what_only_the_other_one_told_is_asked_until_it_is_told() -> None:
    made = writer(version("Ana", "sport", "golf", 2), version("Bo", "sport", "judo", 4), version("Bo", "pet", "cat", 3))
    assert rows(made._absent(), "value") == [("Bo", UNKNOWN, "adversarial", ("D2:1",), 2, 3)]
    assert rows(made._absent(), "list") == [("Ana", UNKNOWN, "adversarial", ("D3:2",), 3, None)]


def test_a_situation_asks_for_the_same_value_as_the_plain_question() -> None:
    made = [writer(version("Ana", "city", "Lodz", 1, until=3)) for _ in range(60)]
    for seed, one in enumerate(made):
        one._rng = random.Random(seed)
    drawn = [c for one in made for c in one._about_single() if c.category == "open_domain"]
    # Drawn with probability 0.3: 18 of 60, standard deviation 3.5.
    assert 8 <= len(drawn) <= 28
    assert {(c.answer, c.evidence, c.asked_from, c.valid_until) for c in drawn} == {("Lodz", ("D1:1",), 1, 2)}
    assert all("Ana" in c.text and "Lodz" not in c.text for c in drawn)


def test_at_most_five_questions_begin_at_a_session_and_at_most_one_is_adversarial() -> None:
    for index in range(12):
        questions = simulate(2, "train", index, 12, 0.7).conversation.questions
        for session in range(1, 13):
            begun = [q for q in questions if q.asked_from == session]
            assert len(begun) <= PER_SESSION
            assert sum(q.category == "adversarial" for q in begun) <= 1
        assert [q.asked_from for q in questions] == sorted(q.asked_from for q in questions)
        assert len({q.id for q in questions}) == len(questions)


@pytest.mark.parametrize("split", SPLITS)
def test_evidence_is_told_before_it_is_asked_for(split: Split) -> None:
    for index in range(20):
        conversation = simulate(6, split, index, 12, 0.7).conversation
        where = conversation.session_of_turn()
        for question in conversation.questions:
            assert question.evidence and set(question.evidence) <= set(where)
            assert len(set(question.evidence)) == len(question.evidence)
            assert question.asked_from >= max(where[turn] for turn in question.evidence)
            assert question.valid_until is None or question.asked_from <= question.valid_until < 12
