from __future__ import annotations

import pytest

from fairmem.data import load
from fairmem.data.village.patterns import PATTERNS, generate_patterns
from fairmem.errors import ConfigError
from fairmem.metrics import source_score


def test_the_patterns_come_in_turn_and_are_the_same_for_equal_arguments() -> None:
    talks = generate_patterns(3, "train", 6, 4)
    assert [talk.id.split("-")[1] for talk in talks] == [*PATTERNS, "reading"]
    assert talks == load("village_patterns", seed=3, split="train", conversations=6, sessions=4)
    assert generate_patterns(3, "train", 2, 4, start=4)[0] == talks[4]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_each_pattern_asks_its_own_questions_and_its_gold_answers_score_1(split: str) -> None:
    wanted = {
        "reading": {"single_hop"},
        "two_hops": {"multi_hop"},
        "labels": {"single_hop", "knowledge_update"},
    }
    for talk in load("village_patterns", split=split, conversations=10, sessions=8):
        pattern = talk.id.split("-")[1]
        assert talk.questions and all(q.category in wanted.get(pattern, {q.category}) for q in talk.questions)
        assert all(source_score(q.kind)(q.answer, q.answer) == 1.0 for q in talk.questions)
        turns = talk.session_of_turn()
        assert all(turn in turns for q in talk.questions for turn in q.evidence)


def test_reading_is_one_speaker_after_the_other() -> None:
    for talk in load("village_patterns", patterns=["reading"], conversations=3):
        for session in talk.sessions:
            order = [turn.speaker for turn in session.turns]
            assert order == sorted(order, key=talk.speakers.index)


def test_the_label_that_holds_at_the_end_is_the_last_that_was_taught() -> None:
    talks = load("village_patterns", patterns=["labels"], conversations=4, difficulty=1.0)
    for talk in talks:
        last = {delta.speaker: delta for delta in talk.deltas}
        for question in talk.questions:
            if question.valid_until is None:
                (delta,) = [d for d in last.values() if d.turn == question.evidence[0]]
                assert delta.content == f"{delta.speaker}'s favourite colour is {question.answer}."
    assert {delta.kind for talk in talks for delta in talk.deltas} == {"new", "change"}


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(ConfigError, match="reading, two_hops"):
        generate_patterns(0, "train", 1, 4, patterns=["riddles"])
