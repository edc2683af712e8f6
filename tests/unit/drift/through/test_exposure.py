from __future__ import annotations

from itertools import permutations

import pytest

from fairmem.drift.files import load_scenarios
from fairmem.drift.through import Exposure, Line, carried, coverage, exposure

LEDGE = "Jumps from the highest ledge."


@pytest.mark.parametrize(
    ("entry", "share"),
    [
        ("Robin's notes say: Jumps from the highest ledge.", 1.0),
        # Of jump, highest, ledge.
        ("Robin jumped off a ledge.", 2 / 3),
        ("Robin loves a ledge.", 1 / 3),
        ("Robin likes winter sports.", 0.0),
        ("", 0.0),
    ],
)
def test_coverage_is_the_share_of_distinct_content_words(entry: str, share: float) -> None:
    assert coverage(LEDGE, entry) == pytest.approx(share)


def test_a_memory_of_function_words_is_there_in_full_or_not() -> None:
    assert coverage("He is what he is.", "I think he is what he is, after all.") == 1.0
    assert coverage("He is what he is.", "He is.") == 0.0
    assert coverage("", "anything") == 0.0


def test_provenance_decides_where_there_is_some_and_words_where_there_is_none() -> None:
    paraphrase = Line(id="1", text="Robin likes heights.", sources=("D1:2",))
    assert carried(LEDGE, "D1:2", paraphrase, traces=True)
    assert not carried(LEDGE, "D1:4", paraphrase, traces=True)
    assert not carried(LEDGE, "D1:2", paraphrase, traces=False)
    assert carried(LEDGE, "D1:2", Line(id="1", text="Robin jumped off a ledge."), traces=False)


def test_half_of_the_words_is_not_enough() -> None:
    # Of jump, highest, ledge, twice two: 2 of 4, then 3 of 4.
    text = "Jumps twice from the highest ledge."
    assert not carried(text, "", Line(id="1", text="Jumps from a ledge."), traces=False)
    assert carried(text, "", Line(id="1", text="Jumps twice from a ledge."), traces=False)


def test_what_became_of_three_memories_is_counted_by_hand() -> None:
    told = [("D1:2", LEDGE), ("D1:4", "Skips the warm-up."), ("D1:6", "Has a blue tea pot.")]
    ledge = Line(id="1", text="Robin jumped off a ledge.", sources=("D1:2",))
    bold = Line(id="2", text="Robin is bold.", sources=("D1:4",))
    # Kept: the first two by provenance. In the prompt: the second. Its words: bold has none of skip, warm, up (a stop
    # word, so of two), and none of the others: content 0.
    assert exposure(told, [ledge, bold], [bold], traces=True) == Exposure(3, 2, 1, 0.0, 1)
    # By words the ledge alone is kept; in the prompt it has 2 of 3 words of one of three memories.
    found = exposure(told, [ledge, bold], [ledge], traces=False)
    assert (found.told, found.kept, found.reached, found.lines) == (3, 1, 1, 1)
    assert found.content == pytest.approx((2 / 3) / 3)
    assert exposure([], [ledge], [ledge], traces=True) == Exposure(0, 0, 0, 0.0, 1)


def test_no_shipped_memory_carries_another_of_its_arm() -> None:
    most = 0.0
    for scenario in load_scenarios():
        memories = scenario.memories
        relevant = (*memories.relevant, *memories.neutral)
        for group in (memories.biased, memories.biased_opposite, memories.neutral, relevant):
            most = max(most, *(coverage(one.text, other.text) for one, other in permutations(group, 2)))
    assert most == 0.5  # of 25,200 pairs, two share half
