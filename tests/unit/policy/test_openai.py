from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from fairmem.errors import ConfigError, EndpointError, ModelError
from fairmem.policy import Message, OpenAIPolicy, Sample, SampleRequest
from fairmem.policy.calls import ToolSpec
from fairmem.policy.openai import Retries
from fairmem.trace import CallFailure, FailureKind, StopReason
from tests.unit.policy.conftest import Answer, Endpoint, completion

PROMPT = (Message("system", "Be brief."), Message("user", "Where does Ana live?"))


def ask(**options: Any) -> SampleRequest:
    fields: dict[str, Any] = {"max_tokens": 8, "seed": 2**40 + 5, **options}
    return SampleRequest(prompt=PROMPT, **fields)


def open_at(endpoint: Endpoint, **options: Any) -> OpenAIPolicy:
    fields: dict[str, Any] = {"first_wait": 0.001, "timeout": 5.0, **options}
    return OpenAIPolicy("tiny", endpoint.base_url, **fields)


def reply_after(endpoint: Endpoint, *planned: Answer, **options: Any) -> Sample | CallFailure:
    endpoint.planned = list(planned)
    policy = open_at(endpoint, **options)
    (reply,) = policy.sample([ask()])
    policy.close()
    return reply


def failure_after(endpoint: Endpoint, *planned: Answer, **options: Any) -> CallFailure:
    reply = reply_after(endpoint, *planned, **options)
    assert isinstance(reply, CallFailure), reply
    assert "\n" not in reply.message
    return reply


def status(code: int, text: str = "busy", **headers: str) -> Answer:
    return code, text, headers, 0.0


def test_a_request_holds_the_model_the_messages_and_the_limits(endpoint: Endpoint) -> None:
    reply = reply_after(endpoint, completion("Lodz"))

    assert endpoint.paths == ["/v1/chat/completions"]
    assert endpoint.bodies == [
        {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Where does Ana live?"},
            ],
            "max_tokens": 8,
            "temperature": 1.0,
            "seed": 5,  # 2**40 + 5 in 31 bits.
        }
    ]
    assert reply == Sample("Be brief.Where does Ana live?", (), (), (), "Lodz", StopReason.EOS)


def test_fields_can_be_left_out_and_added(endpoint: Endpoint) -> None:
    reply_after(endpoint, omit=("seed", "max_tokens"), extra={"max_completion_tokens": 9}, logprobs=True)

    assert "seed" not in endpoint.bodies[0]
    assert "max_tokens" not in endpoint.bodies[0]
    assert endpoint.bodies[0]["max_completion_tokens"] == 9
    assert endpoint.bodies[0]["logprobs"] is True


def test_the_key_is_read_from_the_named_variable_and_none_is_sent_without_it(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "secret")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    reply_after(endpoint, api_key_env="SOME_KEY")
    reply_after(endpoint)

    assert [headers.get("Authorization") for headers in endpoint.headers] == ["Bearer secret", None]


def test_a_reply_cut_at_the_limit_says_so(endpoint: Endpoint) -> None:
    reply = reply_after(endpoint, completion("Lodz is", "length"))

    assert isinstance(reply, Sample)
    assert reply.stop is StopReason.LENGTH


def test_log_probabilities_are_kept_when_the_endpoint_gives_them(endpoint: Endpoint) -> None:
    given = {"content": [{"token": "Lo", "logprob": -0.25}, {"token": "dz", "logprob": -1}]}
    reply = reply_after(endpoint, completion("Lodz", logprobs=given))

    assert isinstance(reply, Sample)
    assert reply.logprobs == (-0.25, -1.0)
    assert reply.ids == ()


def test_a_rate_limit_is_waited_out(endpoint: Endpoint) -> None:
    reply = reply_after(endpoint, status(429, **{"Retry-After": "0"}), status(503), completion("Lodz"))

    assert isinstance(reply, Sample)
    assert reply.text == "Lodz"
    assert len(endpoint.bodies) == 3


def test_server_errors_on_every_attempt_are_a_failure_that_counts_them(endpoint: Endpoint) -> None:
    failure = failure_after(endpoint, *[status(500, "out of\nmemory")] * 3, attempts=3)

    assert failure == CallFailure(kind=FailureKind.SERVER_ERROR, message="HTTP 500: out of memory", attempts=3)


def test_a_rate_limit_on_every_attempt_is_a_failure_of_that_name(endpoint: Endpoint) -> None:
    assert failure_after(endpoint, *[status(429)] * 2, attempts=2).kind is FailureKind.RATE_LIMITED


def test_an_answer_that_does_not_come_is_a_timeout_after_all_attempts(endpoint: Endpoint) -> None:
    slow = (*completion("late")[:3], 30.0)
    failure = failure_after(endpoint, slow, slow, timeout=0.1, attempts=2)

    assert failure.kind is FailureKind.TIMEOUT
    assert failure.attempts == 2
    assert len(endpoint.bodies) == 2


@pytest.mark.parametrize(
    "text",
    [
        '{"choices": [',
        "",
        "[]",
        '{"choices": []}',
        '{"choices": null}',
        '{"error": "none of that"}',
        '{"choices": [{"finish_reason": "stop"}]}',
        '{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}',
        '{"choices": [{"message": {"content": 3}, "finish_reason": "stop"}]}',
    ],
)
def test_an_answer_that_is_no_completion_is_a_bad_response_and_not_asked_again(endpoint: Endpoint, text: str) -> None:
    failure = failure_after(endpoint, (200, text, {}, 0.0))

    assert failure.kind is FailureKind.BAD_RESPONSE
    assert failure.attempts == 1
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (400, "unknown field", FailureKind.REFUSED),
        (401, "no key", FailureKind.REFUSED),
        (400, '{"error": {"code": "context_length_exceeded"}}', FailureKind.PROMPT_TOO_LONG),
        (400, "This model's maximum context length is 512 tokens.", FailureKind.PROMPT_TOO_LONG),
        (302, "moved", FailureKind.BAD_RESPONSE),
    ],
)
def test_a_refused_request_is_named_and_not_repeated(
    endpoint: Endpoint, code: int, text: str, kind: FailureKind
) -> None:
    failure = failure_after(endpoint, status(code, text))

    assert (failure.kind, failure.attempts) == (kind, 1)


def test_a_withheld_reply_is_a_refusal(endpoint: Endpoint) -> None:
    assert failure_after(endpoint, completion("", "content_filter")).kind is FailureKind.REFUSED


def test_a_long_answer_is_quoted_in_part(endpoint: Endpoint) -> None:
    assert len(failure_after(endpoint, status(400, "x" * 10_000)).message) < 250


def test_nobody_listening_is_unreachable(endpoint: Endpoint) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint.base_url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        failure = failure_after(endpoint, attempts=2)

    assert (failure.kind, failure.attempts) == (FailureKind.UNREACHABLE, 2)


def test_one_failed_call_leaves_the_others_and_their_order_alone(endpoint: Endpoint) -> None:
    def answer(body: dict[str, Any]) -> Answer:
        return status(400, "no") if body["seed"] == 1 else completion(str(body["seed"]))

    endpoint.otherwise = answer
    policy = open_at(endpoint)
    replies = policy.sample([ask(seed=seed) for seed in range(4)])
    policy.close()

    assert [reply.text if isinstance(reply, Sample) else reply.kind for reply in replies] == [
        "0",
        FailureKind.REFUSED,
        "2",
        "3",
    ]
    assert policy.last_call.failures == 1
    assert policy.last_call.generated_tokens == 6  # The endpoint reports 2 for each of 3.


def test_no_more_requests_are_in_flight_than_allowed(endpoint: Endpoint) -> None:
    def slowly(body: dict[str, Any]) -> Answer:
        return (*completion()[:3], 0.05)

    endpoint.otherwise = slowly
    policy = open_at(endpoint, concurrency=3)
    policy.sample([ask(seed=seed) for seed in range(9)])
    policy.close()

    assert endpoint.most_in_flight == 3


def test_a_check_passes_where_the_endpoint_answers_or_is_only_busy(endpoint: Endpoint) -> None:
    endpoint.planned = [completion("OK."), status(429)]
    policy = open_at(endpoint)
    policy.check()
    policy.check()
    policy.close()


@pytest.mark.parametrize("planned", [status(401, "bad key"), status(404, "no such model"), (200, "<html>", {}, 0.0)])
def test_a_check_says_in_one_line_what_is_wrong(endpoint: Endpoint, planned: Answer) -> None:
    endpoint.planned = [planned]
    policy = open_at(endpoint)
    with pytest.raises(EndpointError, match="model 'tiny' gives no reply") as caught:
        policy.check()
    policy.close()

    assert endpoint.base_url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_endpoint_cannot_score(endpoint: Endpoint) -> None:
    with pytest.raises(ModelError, match="cannot score"):
        open_at(endpoint).score([[1]], [[2]])


@pytest.mark.parametrize("address", ["", "127.0.0.1:8000", "ftp://host/v1", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        OpenAIPolicy("tiny", address)


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    for options in ({"concurrency": 0}, {"timeout": 0.0}, {"attempts": 0}):
        with pytest.raises(ConfigError, match="expected"):
            OpenAIPolicy("tiny", "http://127.0.0.1:1/v1", **options)  # pyright: ignore[reportArgumentType]


def test_waits_double_are_spread_and_stay_below_the_longest() -> None:
    retries = Retries(attempts=9, first_wait=1.0, longest_wait=10.0)

    # 1, 2, 4 seconds, each plus up to a half; then the cap.
    for attempt, low in ((1, 1.0), (2, 2.0), (3, 4.0)):
        assert low <= retries.wait(attempt, 0, None) <= 1.5 * low
    assert retries.wait(8, 0, None) == 10.0
    assert retries.wait(1, 0, None) != retries.wait(1, 1, None)


def test_an_endpoint_may_say_how_long_to_wait() -> None:
    retries = Retries(attempts=9, first_wait=1.0, longest_wait=10.0)

    assert retries.wait(1, 0, "3") == 3.0
    assert retries.wait(1, 0, "3600") == 10.0
    assert retries.wait(1, 0, "Wed, 21 Oct 2015 07:28:00 GMT") <= 1.5


SAVE = ToolSpec("save", "Keep a text.", {"type": "object", "properties": {"text": {"type": "string"}}})


def test_tools_are_offered_and_their_calls_come_back_as_one_text(endpoint: Endpoint) -> None:
    calls = [
        {"id": "1", "type": "function", "function": {"name": "save", "arguments": '{"text": "Ana"}'}},
        {"id": "2", "type": "function", "function": {"name": "save", "arguments": "{oops"}},
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    endpoint.planned = [status(200, body)]
    policy = open_at(endpoint)
    (reply,) = policy.sample([ask(tools=(SAVE,))])
    policy.close()

    assert endpoint.bodies[0]["tool_choice"] == "auto"
    assert [tool["function"]["name"] for tool in endpoint.bodies[0]["tools"]] == ["save"]
    assert isinstance(reply, Sample)
    assert json.loads(reply.text) == {
        "calls": [{"tool": "save", "arguments": {"text": "Ana"}}, {"tool": "save", "arguments": "{oops"}]
    }


@pytest.mark.parametrize(("content", "text"), [(None, '{"calls": []}'), ("Nothing to keep.", "Nothing to keep.")])
def test_a_reply_that_calls_no_tool_is_its_text_or_says_that_nothing_is_called(
    endpoint: Endpoint, content: str | None, text: str
) -> None:
    body = json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})
    endpoint.planned = [status(200, body)]
    policy = open_at(endpoint)
    (reply,) = policy.sample([ask(tools=(SAVE,))])
    policy.close()

    assert isinstance(reply, Sample) and reply.text == text
