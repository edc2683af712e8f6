"""Reading what a server of token ids answered: the ids and numbers as they are, or one line that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fairmem.policy import SampleRequest
from fairmem.policy.token_completion import (
    Sampled,
    completion_fields,
    read_sampled_ids,
    read_scores,
    scoring_fields,
)
from fairmem.trace import CallFailure, FailureKind

REQUEST = SampleRequest((), 3, temperature=0.9, seed=2**62 + 1)
PROMPT, EOS = (5, 6), (1, 2)


def choice(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "finish_reason": "stop",
        "token_ids": [7, 1],
        "prompt_token_ids": [5, 6],
        "logprobs": {"tokens": ["token_id:7", "token_id:1"], "token_logprobs": [-0.5, -0.25]},
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def read(**changes: Any) -> CallFailure | Sampled:
    top = {name: changes.pop(name) for name in ("weight_version",) if name in changes}
    return read_sampled_ids(json.dumps({"choices": [choice(**changes)], **top}), PROMPT, REQUEST, EOS)


def test_ids_and_log_probabilities_are_read_as_they_are() -> None:
    assert read() == Sampled((7, 1), (-0.5, -0.25), None)


@pytest.mark.parametrize(("told", "version"), [(4, 4), ("17", 17), ("default", None), (True, None), (None, None)])
def test_a_version_of_the_weights_is_read_where_one_is_told(told: object, version: int | None) -> None:
    found = read(weight_version=told)
    assert isinstance(found, Sampled) and found.version == version


def test_older_servers_name_the_ids_in_the_tokens() -> None:
    assert read(token_ids=None) == Sampled((7, 1), (-0.5, -0.25), None)


def test_a_log_probability_that_rounding_lifted_above_zero_is_zero() -> None:
    assert read(logprobs={"token_logprobs": [1e-4, -0.25]}) == Sampled((7, 1), (0.0, -0.25), None)


def test_a_reply_cut_by_its_limit_needs_no_end() -> None:
    found = read(finish_reason="length", token_ids=[7, 8, 9], logprobs={"token_logprobs": [-1.0, -2.0, -3.0]})
    assert found == Sampled((7, 8, 9), (-1.0, -2.0, -3.0), None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token_ids": None, "logprobs": {"token_logprobs": [-0.5]}}, "no token ids"),
        ({"token_ids": None, "logprobs": {"tokens": ["a"], "token_logprobs": [-0.5]}}, "no token ids"),
        ({"token_ids": [7, "x"]}, "no token ids"),
        ({"logprobs": None}, "no log-probabilities"),
        ({"logprobs": {"token_logprobs": [-0.5, None]}}, "no log-probabilities"),
        ({"logprobs": {"token_logprobs": [-0.5]}}, "2 token ids with 1 log-probabilities"),
        ({"token_ids": [], "logprobs": {"token_logprobs": []}}, "0 token ids"),
        ({"logprobs": {"token_logprobs": [-0.5, 0.5]}}, "above 0"),
        ({"token_ids": [7, 7, 7, 1], "logprobs": {"token_logprobs": [-1.0] * 4}}, "4 tokens where at most 3"),
        ({"prompt_token_ids": [0, 5, 6]}, "another prompt"),
        ({"token_ids": [7, 8]}, "stopped at token 8"),
    ],
)
def test_an_answer_that_cannot_be_trained_on_says_why(changes: dict[str, Any], message: str) -> None:
    found = read(**changes)
    assert isinstance(found, CallFailure) and found.kind is FailureKind.BAD_RESPONSE
    assert message in found.message and "\n" not in found.message


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"choices": []}', '{"choices": [3]}', '{"error": "x"}'])
def test_a_body_without_a_choice_is_a_failure_and_never_an_exception(text: str) -> None:
    found = read_sampled_ids(text, PROMPT, REQUEST, EOS)
    assert isinstance(found, CallFailure) and found.kind is FailureKind.BAD_RESPONSE


def test_a_reply_that_the_server_broke_off_may_be_asked_again() -> None:
    found = read(finish_reason="abort")
    assert isinstance(found, CallFailure) and found.kind is FailureKind.SERVER_ERROR


def test_nothing_but_the_temperature_shapes_the_distribution() -> None:
    fields = completion_fields("m", PROMPT, REQUEST, EOS)
    assert fields["prompt"] == [5, 6] and fields["seed"] == 2**62 + 1 and fields["temperature"] == 0.9
    assert (fields["top_p"], fields["top_k"], fields["min_p"], fields["repetition_penalty"]) == (1.0, 0, 0.0, 1.0)
    assert fields["stop_token_ids"] == [1, 2] and fields["return_token_ids"] is True


def test_scores_are_those_of_the_reply_and_not_of_the_prompt() -> None:
    places = [None, {"6": {"logprob": -9.0}}, {"7": {"logprob": -1.5}, "3": {"logprob": -0.1}}, {"8": {"logprob": -2}}]
    text = json.dumps({"choices": [{"prompt_logprobs": places}]})
    assert scoring_fields("m", PROMPT, (7, 8))["prompt"] == [5, 6, 7, 8]
    assert read_scores(text, 2, (7, 8)) == (-1.5, -2.0)
    wrong = read_scores(text, 2, (7, 9))
    assert isinstance(wrong, CallFailure) and "token 9" in wrong.message
    short = read_scores(text, 2, (7, 8, 9))
    assert isinstance(short, CallFailure) and "prompt_logprobs" in short.message
