"""Rewording changes words around the values, never a value."""

import random

from fairmem.data.village import SPLITS, read, simulate
from fairmem.pretrain.reword import reword, reword_question


def test_values_survive_any_rewording_of_real_turns() -> None:
    changed = tried = 0
    for split in SPLITS:
        for index in range(30):
            world = simulate(1, split, index, 8, 0.7, 0.5)
            told = [(d.turn, d.content) for d in world.conversation.deltas] + list(world.hearsay)
            for session in world.conversation.sessions:
                for turn in session.turns:
                    held = [s.value for id, text in told if id == turn.id and (s := read(text)) is not None]
                    assert all(value in turn.text for value in held)
                    reworded = reword(turn.text, held, random.Random(tried))
                    assert all(value in reworded for value in held), (turn.text, reworded)
                    assert "\u241f" not in reworded and "\n" not in reworded
                    tried, changed = tried + 1, changed + (reworded != turn.text)
    assert tried > 4000 and changed > 0.8 * tried


def test_a_value_made_of_words_that_may_be_left_out_is_kept_whole() -> None:
    for seed in range(500):
        assert "a new just" in reword("I have a new just now.", ["a new just"], random.Random(seed))


def test_a_question_keeps_its_mark_and_every_word() -> None:
    forms: set[str] = set()
    for seed in range(60):
        asked = reword_question("Where does Ana live?", random.Random(seed))
        assert asked.endswith("?") and "Ana" in asked and "here does Ana live" in asked
        forms.add(asked)
    assert {"Where does Ana live now?", "So, where does Ana live?"} <= forms
