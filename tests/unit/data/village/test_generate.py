"""`simulate` and `generate`: what depends on what, which arguments are refused, and what comes out."""

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from fairmem.data import load, locomo
from fairmem.data.village import MAX_SESSIONS, SPLITS, Split, World, generate, simulate
from fairmem.errors import ConfigError
from fairmem.types import CATEGORIES, Conversation


def worlds(split: Split, count: int = 12, sessions: int = 10, difficulty: float = 0.5) -> list[World]:
    return [simulate(3, split, index, sessions, difficulty) for index in range(count)]


def test_equal_arguments_give_equal_conversations_whatever_the_global_generator_does() -> None:
    random.seed(1)
    first = simulate(5, "train", 2, 6, 0.5, 0.5)
    random.seed(2)
    assert simulate(5, "train", 2, 6, 0.5, 0.5) == first


@pytest.mark.parametrize(("name", "value"), [("seed", 6), ("split", "val"), ("index", 3), ("difficulty", 1.0)])
def test_every_argument_counts(name: str, value: Any) -> None:
    arguments: dict[str, Any] = {"seed": 5, "split": "train", "index": 2, "sessions": 6, "difficulty": 0.5}
    assert simulate(**arguments).conversation.sessions != simulate(**arguments | {name: value}).conversation.sessions


@pytest.mark.parametrize("pseudo_words", [0.0, 0.8])
def test_the_first_sessions_do_not_depend_on_how_many_follow(pseudo_words: float) -> None:
    long = simulate(1, "train", 4, 32, 0.8, pseudo_words).conversation
    for k in (1, 2, 7, 31):
        short = simulate(1, "train", 4, k, 0.8, pseudo_words).conversation
        assert short.id == long.id and short.speakers == long.speakers
        assert short.sessions == long.sessions[:k]
        assert short.deltas == tuple(d for d in long.deltas if d.session <= k)


def test_generate_gives_the_numbered_conversations_of_one_stream() -> None:
    both = generate(9, "test", 2, 3, 0.4, start=10)
    assert both == [simulate(9, "test", index, 3, 0.4).conversation for index in (10, 11)]
    assert [c.id for c in both] == ["village-test-9-10", "village-test-9-11"]
    assert generate(9, "test", 1, 3, 0.4, start=11) == both[1:]
    assert load("village", seed=9, split="test", conversations=2, sessions=3, difficulty=0.4, start=10) == both


def test_wrong_arguments_are_refused_with_what_was_found_and_what_is_expected() -> None:
    with pytest.raises(ConfigError, match="split is 'dev', expected one of train, val, test"):
        simulate(0, cast("Split", "dev"), 0, 4)
    for sessions in (0, -1, MAX_SESSIONS + 1):
        with pytest.raises(ConfigError, match=f"sessions is {sessions}, expected 1 to 128"):
            simulate(0, "train", 0, sessions)
    for difficulty in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match=r"difficulty is .*, expected a number from 0 \(easy\) to 1 \(hard\)"):
            simulate(0, "train", 0, 4, difficulty)

    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match=r"pseudo_words is .*, expected a share from 0 to 1"):
            simulate(0, "train", 0, 4, 0.5, share)
    with pytest.raises(ConfigError, match="conversations is -1, expected 0 or more"):
        generate(0, "train", -1, 4)
    assert generate(0, "train", 0, 4) == []


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("pseudo_words", [0.0, 1.0])
def test_the_longest_conversations_can_be_made_of_few_words(split: Split, pseudo_words: float) -> None:
    for seed in (0, 5, 2023):
        for index, difficulty in enumerate((0.0, 0.5, 1.0)):
            made = simulate(seed, split, index, MAX_SESSIONS, difficulty, pseudo_words).conversation
            assert len(made.sessions) == MAX_SESSIONS
            # Something is still told at the end, and it can be asked.
            assert max(d.session for d in made.deltas) > MAX_SESSIONS - 3
            assert max(q.asked_from for q in made.questions) > MAX_SESSIONS - 8


def test_sessions_are_dated_in_order_and_their_turns_alternate() -> None:
    for world in worlds("train"):
        sessions = world.conversation.sessions
        assert [s.index for s in sessions] == list(range(1, 11))
        for session, following in pairwise(sessions):
            assert 2 <= (following.time - session.time).days <= 20
        for session in sessions:
            assert [t.id for t in session.turns] == [f"D{session.index}:{n}" for n in range(1, len(session.turns) + 1)]
            assert 6 <= len(session.turns) <= 8
            speakers = [turn.speaker for turn in session.turns]
            assert all(a != b for a, b in pairwise(speakers))
            assert set(speakers) == set(world.conversation.speakers)
            assert all(turn.text and turn.text == turn.text.strip() and "{" not in turn.text for turn in session.turns)


def test_every_delta_is_of_a_turn_of_its_speaker_and_session_and_names_what_it_replaces() -> None:
    for world in worlds("train", difficulty=1.0):
        turns = {turn.id: (turn, session.index) for session in world.conversation.sessions for turn in session.turns}
        stated: set[str] = set()
        for delta in world.conversation.deltas:
            turn, session = turns[delta.turn]
            assert (turn.speaker, session) == (delta.speaker, delta.session)
            assert delta.content.startswith(delta.speaker)
            assert (delta.previous is None) == (delta.kind == "new")
            assert delta.previous is None or delta.previous in stated
            stated.add(delta.content)


@pytest.mark.parametrize("split", SPLITS)
def test_all_six_categories_are_asked_in_every_split(split: Split) -> None:
    found = Counter(q.category for world in worlds(split) for q in world.conversation.questions)
    assert set(found) == set(CATEGORIES)
    # None so rare that a mean over it would be noise: at least 2 % of all.
    assert min(found.values()) >= 0.02 * sum(found.values())


def test_a_generated_set_survives_a_locomo_file(tmp_path: Path) -> None:
    made: list[Conversation] = [w.conversation for split in SPLITS for w in worlds(split, difficulty=1.0)]
    path = tmp_path / "village.json"
    locomo.dump(made, path)
    assert locomo.load(path) == made
