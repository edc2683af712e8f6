"""What an answerer keeps: read from a line of numbers or from quotes, with a named outcome for every reply."""

from __future__ import annotations

import random
from datetime import datetime

import pytest

from fairmem.agents import Answerer
from fairmem.agents.distill import read_keep_line, read_quotes
from fairmem.memory import Bm25Retriever, Entry
from fairmem.trace import ParseOutcome

OK, EMPTY, PARTIAL = ParseOutcome.OK, ParseOutcome.EMPTY, ParseOutcome.PARTIAL
NO_ITEMS, UNPARSABLE, TRUNCATED = ParseOutcome.NO_ITEMS, ParseOutcome.UNPARSABLE, ParseOutcome.TRUNCATED


@pytest.mark.parametrize(
    ("text", "truncated", "places", "outcome"),
    [
        ("Keep: 3, 1\n<answer>Lodz</answer>", False, (2, 0), OK),
        ("**Keep:** 2", False, (1,), OK),
        ("keep: 2, 2\n", False, (1,), OK),
        ("Keep: none\n<answer>no information</answer>", False, (), EMPTY),
        ("Keep:\n<answer>x</answer>", False, (), EMPTY),
        ("Keep: 2, 9\n<answer>x</answer>", False, (1,), PARTIAL),
        ("Keep: 9", False, (), NO_ITEMS),
        ("Keep: the one of May", False, (), UNPARSABLE),
        ("<answer>Lodz</answer>", False, (), UNPARSABLE),
        # Cut inside the list, 1 may be the beginning of 12; cut behind it, the list is whole.
        ("Keep: 2, 1", True, (1,), TRUNCATED),
        ("Keep: 2, 1\n<answer>Lo", True, (1, 0), OK),
        ("I think", True, (), TRUNCATED),
    ],
)
def test_a_line_of_numbers_is_read(text: str, truncated: bool, places: tuple[int, ...], outcome: ParseOutcome) -> None:
    kept = read_keep_line(text, truncated, shown=3)
    assert (kept.places, kept.outcome) == (places, outcome)
    assert bool(kept.dropped) == (outcome in (PARTIAL, NO_ITEMS, UNPARSABLE) or text == "I think")


CONTENTS = ["Ana lives in Lodz.", "Bo has a dog.", "Ana lives in Lodz. Then she moved.", "a = b"]


@pytest.mark.parametrize(
    ("text", "truncated", "places", "outcome"),
    [
        ("Ana lives in =Lodz=.", False, (0,), OK),
        ("Bo has a =dog=. Ana lives in =Lodz=.", False, (1, 0), OK),
        # A date stands behind its quote; it is part of the answer and no entry.
        ("Bo has a dog. =7 May 2023=", False, (1,), OK),
        # The longer entry is meant, not the one it begins with.
        ("Ana lives in Lodz. Then she moved.", False, (2,), OK),
        ("a b", False, (3,), OK),
        ("no information", False, (), EMPTY),
        ("Bo has a =dog=. Eve sings.", False, (1,), PARTIAL),
        ("Eve sings.", False, (), UNPARSABLE),
        ("", False, (), UNPARSABLE),
        ("Bo has a dog. Ana li", True, (1,), TRUNCATED),
        ("Bo has a dog.\nAna li", True, (1,), OK),
    ],
)
def test_quotes_are_read(text: str, truncated: bool, places: tuple[int, ...], outcome: ParseOutcome) -> None:
    kept = read_quotes(text, truncated, CONTENTS)
    assert (kept.places, kept.outcome) == (places, outcome)


def test_no_reply_makes_a_reader_raise_or_keep_what_was_not_shown() -> None:
    rng = random.Random(0)
    pieces = ["Keep", ":", " ", "1", "23", ",", "none", "\n", "=", "Ana lives in Lodz.", "<answer>", "ż", "\ud800", "*"]
    for _ in range(2_000):
        text = "".join(rng.choices(pieces, k=rng.randrange(12)))
        for kept in (read_keep_line(text, rng.random() < 0.5, 4), read_quotes(text, rng.random() < 0.5, CONTENTS)):
            assert set(kept.places) <= {0, 1, 2, 3} and len(set(kept.places)) == len(kept.places)


DAY = datetime(2023, 5, 7)


def entry(id: int, speaker: str, content: str) -> Entry:
    return Entry(id, speaker, content, 1, DAY, 1, DAY, (f"D1:{id}",), "INSERT")


SHOWN = (entry(7, "Bo", "Bo has a dog."), entry(8, "Ana", "Ana lives in Lodz."), entry(9, "Bo", "Bo sings."))


def test_an_instructed_answerer_numbers_memories_as_they_stand_in_its_prompt() -> None:
    answerer = Answerer("instruct", Bm25Retriever(), distill=True)
    (message,) = answerer.prompt("Where does Ana live?", SHOWN, ("Ana", "Bo"))
    assert message.content.endswith(
        "Memories about Ana:\n1 [7 May 2023] Ana lives in Lodz.\n"
        "Memories about Bo:\n2 [7 May 2023] Bo has a dog.\n3 [7 May 2023] Bo sings.\nQuestion: Where does Ana live?\n"
    )
    kept = answerer.kept("Keep: 1, 3\n<answer>Lodz</answer>", False, SHOWN, ("Ana", "Bo"))
    assert kept is not None and [SHOWN[place].id for place in kept.places] == [8, 9]
    assert answerer.parse("Keep: 1, 3\n<answer>Lodz</answer>", False).text == "Lodz"
    assert answerer.prompt_hash != Answerer("instruct", Bm25Retriever()).prompt_hash


def test_a_compact_answerer_is_asked_the_same_and_its_quotes_are_read() -> None:
    plain, answerer = Answerer("compact", Bm25Retriever()), Answerer("compact", Bm25Retriever(), distill=True)
    assert plain.prompt("x?", SHOWN, ("Ana",)) == answerer.prompt("x?", SHOWN, ("Ana",))
    assert plain.prompt_hash == answerer.prompt_hash
    assert plain.kept("Ana lives in =Lodz=.", False, SHOWN, ("Ana",)) is None
    kept = answerer.kept("Ana lives in =Lodz=.", False, SHOWN, ("Ana",))
    assert kept is not None and kept.places == (1,)
