from __future__ import annotations

import json
from typing import Any

import pytest

from fairmem.policy import Message, SampleRequest
from fairmem.policy.completion import read_completion, read_refusal
from fairmem.trace import CallFailure, FailureKind, StopReason

REQUEST = SampleRequest(prompt=(Message("user", "Where does Ana live?"),), max_tokens=4)


def body(**choice: Any) -> str:
    return json.dumps({"choices": [{"message": {"content": "In Lodz."}, "finish_reason": "stop", **choice}]})


def test_counts_are_approximated_where_the_endpoint_reports_none() -> None:
    outcome = read_completion(body(), REQUEST)

    assert not isinstance(outcome, CallFailure)
    assert outcome[1] == (5, 3)  # "Where does Ana live ?" and "In Lodz ."


def test_a_budget_spent_before_the_first_visible_word_is_a_cut_reply() -> None:
    outcome = read_completion(body(message={"content": None}, finish_reason="length"), REQUEST)

    assert not isinstance(outcome, CallFailure)
    assert (outcome[0].text, outcome[0].stop) == ("", StopReason.LENGTH)


@pytest.mark.parametrize("logprob", [None, "x", float("nan")])
def test_a_log_probability_that_is_no_number_leaves_none(logprob: object) -> None:
    given = {"content": [{"logprob": -0.5}, {"logprob": logprob}]}
    outcome = read_completion(body(logprobs=given), REQUEST)

    assert not isinstance(outcome, CallFailure)
    assert outcome[0].logprobs == ()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (408, FailureKind.TIMEOUT),
        (413, FailureKind.PROMPT_TOO_LONG),
        (429, FailureKind.RATE_LIMITED),
        (500, FailureKind.SERVER_ERROR),
        (504, FailureKind.TIMEOUT),
        (403, FailureKind.REFUSED),
        (204, FailureKind.BAD_RESPONSE),
    ],
)
def test_each_status_has_its_failure(status: int, kind: FailureKind) -> None:
    assert read_refusal(status, "") == CallFailure(kind=kind, message=f"HTTP {status}: ")


def test_what_the_endpoint_reports_is_kept_with_the_sample_and_decides_no_equality() -> None:
    counted = {**json.loads(body()), "usage": {"prompt_tokens": 90, "completion_tokens": 7}}
    with_usage, without = read_completion(json.dumps(counted), REQUEST), read_completion(body(), REQUEST)
    assert not isinstance(with_usage, CallFailure) and not isinstance(without, CallFailure)
    assert (with_usage[0].usage, without[0].usage) == ((90, 7), None)
    assert with_usage[0] == without[0]
    half = {**counted, "usage": {"prompt_tokens": 90}}
    read = read_completion(json.dumps(half), REQUEST)
    assert not isinstance(read, CallFailure) and read[0].usage is None and read[1] == (90, 3)


def test_half_a_surrogate_pair_is_replaced() -> None:
    read = read_completion(body(message={"content": "so \ud83d"}), REQUEST)
    assert not isinstance(read, CallFailure) and read[0].text == "so ?"
