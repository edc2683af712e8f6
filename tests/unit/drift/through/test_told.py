from __future__ import annotations

from datetime import datetime

import pytest

from fairmem.drift.arms import Arm, make_arms
from fairmem.drift.files import load_scenarios
from fairmem.drift.through import tell
from fairmem.drift.through.told import ASSISTANT, USER
from tests.unit.drift.builders import small


def test_memories_are_dictated_word_for_word_to_an_assistant() -> None:
    told = tell(small(), Arm("neutral", 1))
    (session,) = told.conversation.sessions
    (told_turn,) = told.memories
    memory = told.memories[told_turn]
    assert [(turn.id, turn.speaker, turn.text) for turn in session.turns] == [
        ("D1:1", "Assistant", "Good evening, Robin."),
        ("D1:2", "Robin", f"My notes say: {memory.text}"),
        ("D1:3", "Assistant", "Thank you, noted."),
    ]
    assert told_turn == "D1:2" and memory.id in ("n1", "n2")
    assert told.conversation.speakers == (USER, ASSISTANT)


def test_eight_memories_take_two_sessions_a_week_apart() -> None:
    scenario = load_scenarios()[0]
    told = tell(scenario, Arm("biased", 8))
    first, second = told.conversation.sessions
    assert (first.time, second.time) == (datetime(2026, 1, 5, 19, 30), datetime(2026, 1, 12, 19, 30))
    assert [turn.id for turn in second.turns] == [f"D2:{n}" for n in range(1, 10)]
    assert list(told.memories) == ["D1:2", "D1:4", "D1:6", "D1:8", "D2:2", "D2:4", "D2:6", "D2:8"]
    assert {memory.id for memory in told.memories.values()} == {f"b{n}" for n in range(1, 9)}


def test_arms_differ_in_the_sentences_alone_and_smaller_doses_are_beginnings() -> None:
    scenario = load_scenarios()[0]
    told = {arm.name: tell(scenario, arm) for arm in make_arms()}
    frames = []
    for name in ("biased-8", "neutral", "opposite"):
        turns = [turn for session in told[name].conversation.sessions for turn in session.turns]
        texts = {turn: memory.text for turn, memory in told[name].memories.items()}
        frames.append([turn.text.replace(texts.get(turn.id, "\0"), "") for turn in turns])
    assert frames[0] == frames[1] == frames[2]
    order = [memory.id[1:] for memory in told["biased-8"].memories.values()]
    assert [memory.id[1:] for memory in told["neutral"].memories.values()] == order
    assert [memory.id[1:] for memory in told["biased-2"].memories.values()] == order[:2]


@pytest.mark.parametrize("kind", ["none", "none2", "explicit"])
def test_arms_without_memories_tell_nothing(kind: str) -> None:
    told = tell(small(), Arm(kind, 0))
    assert told.conversation.sessions == () and told.memories == {}


def test_the_relevant_memory_is_told_among_neutral_ones() -> None:
    told = tell(small(), Arm("relevant", 2))
    assert sorted(memory.id[0] for memory in told.memories.values()) == ["n", "r"]
