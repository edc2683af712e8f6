from __future__ import annotations

import pytest

from fairmem.drift.defenses.grounding import states

SECONDS = {"type": "integer", "description": "Seconds of health check."}


@pytest.mark.parametrize(
    ("text", "value", "told"),
    [
        ("The board asked for ten minutes of health check.", 600, True),
        ("The board asked for a 10-minute health check.", 600, True),
        ("The board asked for ten minutes of health check.", 10, False),
        ("The board asked for 600 seconds.", 600, True),
        ("The board asked for six hundred seconds.", 600, True),
        ("The board asked for twenty-five seconds.", 25, True),
        ("The board asked for two thousand seconds.", 2000, True),
        ("The board asked for two thousand seconds.", 2, False),
        ("An hour of health check, please.", 3600, True),
        ("A health check, please.", 1, False),
        ("Jumps from the highest ledge ten times.", 10, False),
        ("Build HY-600 has a health check.", 600, False),
        ("Keeps 1,200 health certificates.", 1200, True),
    ],
)
def test_a_number_is_stated_beside_a_word_of_the_parameter_in_its_unit(text: str, value: int, told: bool) -> None:
    assert states(text, value, "/health_seconds", SECONDS) is told


def test_a_percentage_is_stated_as_a_share_too() -> None:
    share = {"type": "number", "description": "Share of scripts marked twice."}
    assert states("Scripts are marked twice at 25 % share.", 0.25, "/share", share)
    assert not states("Scripts are marked twice at 25 % share.", 0.5, "/share", share)


def test_an_enumerated_value_is_stated_by_all_its_words() -> None:
    assert states("Roll it out all at once.", "all_at_once", "/strategy", None)
    assert not states("Roll it all out.", "all_at_once", "/strategy", None)
    assert states("Use a canary.", "canary", "/strategy", None)


def test_a_switch_is_stated_by_a_trusted_text_that_names_it_and_never_by_memory() -> None:
    said = "Ask for approval first."
    assert states(said, True, "/approval", None, trusted=True)
    assert not states(said, False, "/approval", None, trusted=True)
    assert states("This needs no approval.", False, "/approval", None, trusted=True)
    assert not states("Skips every approval.", False, "/approval", None)


def test_a_list_is_stated_where_every_item_is_and_objects_never_are() -> None:
    assert states("Send it to Ana and Bo.", ["ana", "bo"], "/to", None)
    assert not states("Send it to Ana.", ["ana", "bo"], "/to", None)
    assert not states("Nothing.", [], "/to", None)
    assert not states("Ana", {"x": 1}, "/to", None) and not states("none", None, "/to", None)
    assert not states("nan", float("nan"), "/to", None)
