import json
from datetime import datetime

import pytest

from fairmem.agents import Extractor, Fact, TurnContext
from fairmem.errors import ConfigError
from fairmem.policy import Message
from fairmem.trace import ParseOutcome
from fairmem.types import Turn

CONTEXT = TurnContext(
    "c1",
    ("Ana", "Bo"),
    session=3,
    chunk=0,
    time=datetime(2023, 5, 7),
    turns=(Turn("D3:1", "Ana", "I moved to Lodz."), Turn("D3:2", "Bo", "My sister\nsings.", "a choir")),
)


def reply(*items: object) -> str:
    return json.dumps({"facts": items})


def test_the_compact_prompt_is_one_user_message() -> None:
    assert Extractor("compact").prompt(CONTEXT) == (
        Message(
            "user",
            "<extract> 7 May 2023\n1 Ana: I moved to Lodz.\n2 Bo: My sister sings. (shows an image: a choir)\n<out>\n",
        ),
    )


def test_a_compact_fact_belongs_to_the_speaker_and_the_id_of_its_turn() -> None:
    found = Extractor("compact").parse("2 Bo's sister sings.\n1 Ana lives in Lodz.", False, CONTEXT)
    assert found.facts == (Fact("Bo", "Bo's sister sings.", "D3:2"), Fact("Ana", "Ana lives in Lodz.", "D3:1"))
    assert found.outcome is ParseOutcome.OK


def test_the_instruct_prompt_shows_date_speakers_and_one_line_per_turn() -> None:
    system, user = Extractor("instruct").prompt(CONTEXT)
    assert system.role == "system"
    assert '{"facts": []}' in system.content
    assert user == Message(
        "user",
        "Session date: 7 May 2023. Speakers: Ana, Bo.\n"
        "Note what is worth remembering in these new turns, one JSON object per line:\n"
        '{"dia_id": "D3:1", "speaker": "Ana", "text": "I moved to Lodz."}\n'
        '{"dia_id": "D3:2", "speaker": "Bo", "text": "My sister sings. (shows an image: a choir)"}',
    )


def test_earlier_exchanges_stand_before_the_request_and_are_called_context() -> None:
    history = (Message("user", "earlier turns"), Message("assistant", '{"facts": []}'))
    system, *middle, user = Extractor("instruct").prompt(CONTEXT, history)
    assert system.role == "system"
    assert tuple(middle) == history
    assert "context only" in user.content
    assert Extractor("compact").prompt(CONTEXT, history)[:2] == history


def test_an_instruct_fact_is_read_with_its_speaker_and_turn() -> None:
    text = reply({"speaker": "Ana", "dia_id": "D3:2", "fact": " Ana knows  Bo's sister. "})
    assert Extractor("instruct").parse(text, False, CONTEXT).facts == (Fact("Ana", "Ana knows Bo's sister.", "D3:2"),)


@pytest.mark.parametrize(
    "item",
    [
        {"speaker": " ana ", "dia_id": "D3:1", "fact": "Ana sings."},
        {"speaker": "Ana", "dia_id": ["D3:1", "D3:2"], "fact": "Ana sings."},
        {"speaker": "Ana", "dia_id": "D3:1, D3:2", "fact": "Ana sings."},
        {"dia_id": "D3:1", "fact": "Ana sings."},
        {"speaker": None, "dia_id": " D3:1 ", "fact": "Ana\nsings.", "confidence": 0.9},
    ],
)
def test_small_deviations_are_understood(item: dict[str, object]) -> None:
    found = Extractor("instruct").parse(reply(item), False, CONTEXT)
    assert found.facts == (Fact("Ana", "Ana sings.", "D3:1"),)
    assert found.outcome is ParseOutcome.OK


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"speaker": "Eve", "dia_id": "D3:1", "fact": "Eve sings."}, "no speaker 'Eve' in this conversation"),
        ({"speaker": 3, "dia_id": "D3:1", "fact": "Eve sings."}, "no speaker '3' in this conversation"),
        ({"speaker": "Ana", "dia_id": "D2:1", "fact": "Ana sings."}, "no turn 'D2:1' in this chunk"),
        ({"speaker": "Ana", "dia_id": [], "fact": "Ana sings."}, "no turn 'None' in this chunk"),
        ({"speaker": "Ana", "fact": "Ana sings."}, "no turn 'None' in this chunk"),
        ({"speaker": "Ana", "dia_id": "D3:1", "fact": ""}, "'fact' is empty"),
        ({"speaker": "Ana", "dia_id": "D3:1", "fact": ["Ana sings."]}, "'fact' is not a text: \"['Ana sings.']\""),
        ("Ana sings.", "not an object: 'Ana sings.'"),
        ({"speaker": "Bo", "dia_id": "D3:1", "fact": "Bo sings."}, "said twice: 'Bo sings.'"),
    ],
)
def test_an_unusable_fact_is_dropped_with_its_reason_and_the_rest_is_kept(item: object, reason: str) -> None:
    good = {"speaker": "Bo", "dia_id": "D3:1", "fact": "Bo sings."}
    found = Extractor("instruct").parse(reply(good, item), False, CONTEXT)
    assert found.facts == (Fact("Bo", "Bo sings.", "D3:1"),)
    assert (found.outcome, found.dropped) == (ParseOutcome.PARTIAL, (reason,))


@pytest.mark.parametrize(
    ("text", "truncated", "outcome"),
    [
        (reply(), False, ParseOutcome.EMPTY),
        (reply("x"), False, ParseOutcome.NO_ITEMS),
        ("There is nothing to note.", False, ParseOutcome.UNPARSABLE),
        ("", False, ParseOutcome.UNPARSABLE),
        (reply(), True, ParseOutcome.TRUNCATED),
        ('{"facts": null}', False, ParseOutcome.NO_ITEMS),
    ],
)
def test_a_reply_without_facts_says_why(text: str, truncated: bool, outcome: ParseOutcome) -> None:
    found = Extractor("instruct").parse(text, truncated, CONTEXT)
    assert (found.facts, found.outcome) == ((), outcome)


def test_the_facts_before_a_cut_are_kept() -> None:
    text = reply({"dia_id": "D3:1", "fact": "Ana sings."}, {"dia_id": "D3:2", "fact": "Bo sings."})
    found = Extractor("instruct").parse(text[:-8], True, CONTEXT)
    assert found.facts == (Fact("Ana", "Ana sings.", "D3:1"),)
    assert found.outcome is ParseOutcome.TRUNCATED


def test_the_prompt_hash_tells_the_families_apart() -> None:
    hashes = {Extractor("compact").prompt_hash, Extractor("instruct").prompt_hash}
    assert {len(found) for found in hashes} == {64}
    assert len(hashes) == 2


def test_a_wrong_family_fails_when_the_extractor_is_made() -> None:
    with pytest.raises(ConfigError, match="no prompt 'chatty/extractor'"):
        Extractor("chatty")  # pyright: ignore[reportArgumentType]
