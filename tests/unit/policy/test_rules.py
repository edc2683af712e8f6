from __future__ import annotations

import pytest

from fairmem.policy import Message
from fairmem.policy.rules import reply_by_rules


def reply(text: str) -> str:
    return reply_by_rules((Message("user", text),), seed=0)


def test_first_person_statements_become_facts_about_the_speaker() -> None:
    turns = "1 Ana: I just moved to Lodz. My dog is old!\n2 Bo: Nice weather.\n3 Bo: I'm ill.\n"
    chunk = f"<extract> 7 May 2023\n{turns}<out>\n"

    assert reply(chunk) == "1 Ana just moved to Lodz.\n1 Ana's dog is old.\n3 Bo is ill."


def test_questions_and_talk_about_nothing_give_no_facts() -> None:
    assert reply("<extract> 7 May 2023\n1 Ana: Should I go?\n2 Bo: Nice weather.\n<out>\n") == "none"


def test_known_facts_are_left_changed_ones_update_and_new_ones_are_inserted() -> None:
    prompt = (
        "<manage> 7 May 2023\n1 Ana lives in Paris.\n2 Ana has a dog.\n<facts>\n"
        "a Ana lives in Lodz.\nb Ana has a dog.\nc Bo plays the tuba.\n<out>\n"
    )

    # "Ana lives in Lodz" shares 3 of 5 words with entry 1; "Bo plays the tuba" shares none.
    assert reply(prompt) == "a UPDATE 1\nb NOOP\nc INSERT"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where does Ana live?", "Lodz"),
        ("When did Ana get a dog?", "7 May 2023"),
        ("Which instrument is played by Carl?", "no information"),
    ],
)
def test_answers_are_read_from_the_closest_entry(question: str, answer: str) -> None:
    prompt = (
        "<answer>\nAna lives in Lodz. | 1 January 2023\nAna has a dog. | 2 January 2023 > 7 May 2023\n"
        f"<question> {question}\n<out>\n"
    )

    assert reply(prompt) == answer


def test_newer_entries_win_ties() -> None:
    entries = "Ana lives in Paris. | 1 January 2023\nAna lives in Lodz. | 2 January 2023\n"
    prompt = f"<answer>\n{entries}<question> Where does Ana live?\n<out>\n"

    assert reply(prompt) == "Lodz"


def test_no_memory_and_other_prompts_have_a_reply_too() -> None:
    assert reply("<answer>\n<question> Where does Ana live?\n<out>\n") == "no information"
    assert reply("Tell me a joke.") == "none"


def test_a_writer_inserts_what_the_first_person_says_and_nothing_twice() -> None:
    prompt = (
        "<write> 7 May 2023\ncore\n\nsemantic\n1 Ana's dog is old.\nepisodic\n<turns>\n"
        "a Ana: My dog is old. I moved to Lodz.\nb Bo: Nice weather.\n<out>\n"
    )

    assert reply(prompt) == "a INSERT semantic Ana moved to Lodz."
