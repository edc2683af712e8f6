"""The server that products ask: what it answers, what it keeps, and what it counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from fairmem.eval.gateway import Gateway, Spent
from fairmem.memory import HashedEmbedder
from fairmem.policy import OpenAIPolicy, Prompt, Reply, SampleRequest, ScriptedPolicy
from fairmem.trace import CallFailure, FailureKind
from tests.unit.policy.conftest import Endpoint, completion, endpoint

__all__ = ["endpoint"]

EMBEDDER = HashedEmbedder(16)


def ask(gateway: Gateway, path: str = "chat/completions", **body: Any) -> httpx.Response:
    return httpx.post(f"{gateway.base_url}/{path}", json=body, trust_env=False)


def messages(text: str, *earlier: dict[str, Any]) -> list[dict[str, Any]]:
    return [*earlier, {"role": "user", "content": text}]


def words(prompt: Prompt, seed: int) -> str:
    return f"{len(prompt)} messages, the last of {len(prompt[-1].content.split())} words"


class Counted(ScriptedPolicy):
    def __init__(self) -> None:
        super().__init__(words, family="instruct")
        self.requests: list[SampleRequest] = []

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        self.requests += requests
        return super().sample(requests)


def test_a_policy_that_runs_here_answers_as_a_chat_completion_and_is_asked_once(tmp_path: Path) -> None:
    policy = Counted()
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    system = {"role": "developer", "content": "Be short."}
    with Gateway(policy, EMBEDDER, tmp_path / "g.jsonl") as gateway:
        body: dict[str, Any] = {
            "messages": [system, {"role": "user", "content": parts}],
            "max_tokens": 64,
            "temperature": 0.5,
        }
        first, again = ask(gateway, model="whatever", **body), ask(gateway, model="other", **body)
        assert first.json() == again.json()
        choice = first.json()["choices"][0]
        assert choice["message"]["content"] == "2 messages, the last of 2 words"
        assert choice["finish_reason"] == "stop"
        # bytes of the prompt as the script sees it, and of the reply with its end
        spent = gateway.spent
        assert (spent.calls, spent.failures, spent.reply_tokens) == (2, 0, 2 * 32)
    assert len(policy.requests) == 1
    request = policy.requests[0]
    assert [(m.role, m.content) for m in request.prompt] == [("system", "Be short."), ("user", "one\ntwo")]
    assert (request.max_tokens, request.temperature) == (64, 0.5)
    resumed = Counted()
    with Gateway(resumed, EMBEDDER, tmp_path / "g.jsonl") as gateway:
        assert ask(gateway, **body).json() == first.json()
        assert gateway.spent.calls == 1
    assert resumed.requests == []


def test_other_weights_are_asked_anew(tmp_path: Path) -> None:
    policy = Counted()
    for identity in ("a", "b"):
        with Gateway(policy, EMBEDDER, tmp_path / "g.jsonl", identity=identity) as gateway:
            ask(gateway, messages=messages("x"))
    assert len(policy.requests) == 2


def test_random_ids_do_not_make_another_request_and_come_back_in_the_reply(tmp_path: Path) -> None:
    one, other = "0a1b2c3d-0000-4000-8000-00000000000a", "ffffffff-1111-4111-8111-00000000000b"
    policy = ScriptedPolicy(lambda prompt, seed: prompt[-1].content.split()[-1], family="instruct")
    asked: list[str] = []
    with Gateway(policy, EMBEDDER, tmp_path / "g.jsonl") as gateway:
        for name in (one, other):
            reply = ask(gateway, messages=messages(f"patch {name}")).json()
            asked.append(reply["choices"][0]["message"]["content"])
    assert asked == [one, other]
    assert (tmp_path / "g.jsonl").read_text().count("\n") == 1


def test_tools_are_written_into_the_prompt_and_a_call_is_read_back() -> None:
    tool = {"type": "function", "function": {"name": "Memory", "parameters": {"type": "object"}}}
    said = {"tool": "Memory", "arguments": {"content": "Ana moved."}}
    policy = ScriptedPolicy(
        lambda prompt, seed: json.dumps(said) if '"tool": "Memory"' in prompt[-1].content else "no tools",
        family="instruct",
    )
    with Gateway(policy, EMBEDDER) as gateway:
        choice = ask(gateway, messages=messages("Remember."), tools=[tool]).json()["choices"][0]
        assert ask(gateway, messages=messages("x")).json()["choices"][0]["message"]["content"] == "no tools"
    assert choice["finish_reason"] == "tool_calls"
    function = choice["message"]["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("Memory", {"content": "Ana moved."})


def test_an_endpoint_is_asked_with_its_own_model_and_every_other_field(endpoint: Endpoint) -> None:
    endpoint.otherwise = lambda body: completion("ok")
    policy = OpenAIPolicy("real", endpoint.base_url)
    with Gateway(policy, EMBEDDER) as gateway:
        tools: list[dict[str, Any]] = [{"type": "function", "function": {"name": "f"}}]
        ask(gateway, model="gpt-x", messages=messages("x"), tools=tools, response_format={"type": "json_object"})
        # 5 and 2 are the tokens that the endpoint reports
        assert gateway.spent == Spent(1, 0, 5, 2)
    sent = endpoint.bodies[0]
    assert (sent["model"], sent["tools"], sent["response_format"]) == ("real", tools, {"type": "json_object"})
    policy.close()


class Failing(ScriptedPolicy):
    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        return [CallFailure(kind=FailureKind.TIMEOUT, message="slow") for _ in requests]


def test_a_failed_call_is_refused_counted_and_not_kept(tmp_path: Path) -> None:
    with Gateway(Failing(family="instruct"), EMBEDDER, tmp_path / "g.jsonl") as gateway:
        before = gateway.spent
        answer = ask(gateway, messages=messages("x"))
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, "timeout: slow")
        assert gateway.spent.since(before) == Spent(1, 1, 0, 0, "timeout: slow")
    assert not (tmp_path / "g.jsonl").exists()


def test_embeddings_are_those_of_the_embedder() -> None:
    with Gateway(Counted(), EMBEDDER) as gateway:
        one = ask(gateway, "embeddings", input="a dog", model="m").json()["data"]
        two = ask(gateway, "embeddings", input=["a dog", "a cat"]).json()["data"]
    assert [item["index"] for item in two] == [0, 1]
    assert one[0]["embedding"] == two[0]["embedding"] == EMBEDDER.embed(["a dog"])[0].tolist()


@pytest.mark.parametrize(
    ("path", "body", "status", "complaint"),
    [
        ("chat/completions", {"messages": "x"}, 400, "'messages' should be a list"),
        ("chat/completions", {"messages": [], "stream": True}, 400, "streaming is not served"),
        ("embeddings", {"input": [[1, 2]]}, 400, "'input' should be a text or a list of texts"),
        ("models", {}, 404, "/v1/models is not served here"),
    ],
)
def test_what_is_not_served_is_said(path: str, body: dict[str, Any], status: int, complaint: str) -> None:
    with Gateway(Counted(), EMBEDDER) as gateway:
        answer = ask(gateway, path, **body)
    assert answer.status_code == status and complaint in answer.json()["error"]["message"]
