from __future__ import annotations

import pytest

from fairmem.errors import ModelError
from fairmem.policy import Message, Sample, SampleRequest, ScriptedPolicy
from fairmem.trace import StopReason

PROMPT = (Message("system", "S."), Message("user", "U"))


def say(text: str, max_tokens: int) -> Sample:
    (reply,) = ScriptedPolicy(lambda prompt, seed: text).sample([SampleRequest(PROMPT, max_tokens)])
    assert isinstance(reply, Sample)
    return reply


def test_tokens_are_bytes_and_256_ends_the_message() -> None:
    sample = say("Bó", 10)

    # B is 66; ó is 195 179 in UTF-8.
    assert sample == Sample("S.U", (83, 46, 85), (66, 195, 179, 256), (0.0,) * 4, "Bó", StopReason.EOS)


def test_text_is_cut_at_the_limit_and_at_a_whole_character() -> None:
    assert (say("Bó", 2).ids, say("Bó", 2).text) == ((66, 195), "B")
    assert (say("Bó", 3).stop, say("Bó", 3).text) == (StopReason.LENGTH, "Bó")
    assert say("Bó", 4).stop is StopReason.EOS


def test_the_script_sees_the_prompt_and_the_seed() -> None:
    policy = ScriptedPolicy(lambda prompt, seed: f"{prompt[1].content}{seed}")
    replies = policy.sample([SampleRequest(PROMPT, 8, seed=seed) for seed in (1, 2)])

    assert [reply.text for reply in replies if isinstance(reply, Sample)] == ["U1", "U2"]


def test_text_without_a_utf8_form_does_not_break_it() -> None:
    assert say("a\ud800b", 10).text == "a?b"
    assert ScriptedPolicy().count_tokens("\ud800") == 1


def test_a_script_cannot_score() -> None:
    with pytest.raises(ModelError, match="cannot score"):
        ScriptedPolicy().score([[1]], [[2]])


def test_a_character_ends_with_its_last_byte_and_the_end_of_the_message_adds_none() -> None:
    policy = ScriptedPolicy()
    assert policy.token_ends((*"aż".encode(), 256)) == (1, 1, 2, 2)
    assert policy.token_ends((256,)) == (0,) and policy.token_ends(()) == ()
