"""A tool-calling model behind any OpenAI-compatible endpoint.

The strictest rung that the endpoint serves is found once, with a harmless tool, so that all arms are asked alike. A
request that is rejected all the same goes down from there, and the rung is on every trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fairmem.drift.answer import Answer, Ask, Outcome, classify, plain_arguments, plain_text
from fairmem.drift.prompt import REPAIR, messages, tool_specs
from fairmem.errors import EndpointError
from fairmem.policy import OpenAIPolicy
from fairmem.policy.calls import RUNGS, Rung, ToolReply, ToolSpec, read_tool_reply, text_instruction, tool_fields
from fairmem.policy.openai import Exchange
from fairmem.trace import CallFailure

_KEPT = 2000
"""Characters of a reply that a trial keeps."""

_PROBE = ToolSpec(
    "set_kitchen_timer",
    "Set a kitchen timer.",
    {"type": "object", "required": ["minutes"], "properties": {"minutes": {"type": "integer"}}},
)
_NOT_ABOUT_THE_FIELDS = (401, 403, 404, 408, 413, 429)
"""Statuses that another rung would not change."""


class EndpointModel:
    """Calls tools through `policy`.

    Attributes:
        rung: The rung it starts on, once `start` found it.
        policy: The endpoint.
        concurrency: Most requests in flight; it may be asked from as many threads.
    """

    exact = False

    def __init__(
        self, policy: OpenAIPolicy, *, temperature: float = 1.0, max_tokens: int = 2048, concurrency: int = 8
    ) -> None:
        self.name = f"openai:{policy.name}"
        self.settings: Mapping[str, Any] = {"temperature": temperature, "max_tokens": max_tokens}
        self.rung: Rung = "named"
        self.policy = policy
        self.concurrency = concurrency
        self._limit_field = "max_tokens"

    def start(self) -> None:
        """Find the strictest rung that the endpoint serves.

        Raises:
            EndpointError: it serves none: it cannot be reached, or rejects the key, the model or every request.
        """
        failure = ""
        for rung in RUNGS:
            prompt: list[dict[str, Any]] = [{"role": "user", "content": "Set the timer to four minutes."}]
            if rung == "text":
                prompt.insert(0, {"role": "system", "content": text_instruction([_PROBE])})
            done = self._send(prompt, (_PROBE,), _PROBE.name, rung, 0)
            if "max_completion_tokens" in done.text and done.status == 400 and self._limit_field == "max_tokens":
                self._limit_field = "max_completion_tokens"
                done = self._send(prompt, (_PROBE,), _PROBE.name, rung, 0)
            reply = done.failure or read_tool_reply(done.text, (_PROBE,))
            if isinstance(reply, ToolReply) and (reply.tool == _PROBE.name or rung == "text"):
                # A call that was read from text shows that the endpoint leaves the tools aside.
                self.rung = "text" if reply.in_text else rung
                return
            failure = f"{reply.kind}: {reply.message}" if isinstance(reply, CallFailure) else "no call"
        raise EndpointError(f"{self.name} gives no tool call on any rung ({failure}); check address, key and model")

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """One answer per ask, with several requests in flight."""
        with ThreadPoolExecutor(max(1, min(self.concurrency, len(asks))), "fairmem-drift") as pool:
            yield from pool.map(self._one, asks)

    def close(self) -> None:
        """Close the connections."""
        self.policy.close()

    def _one(self, ask: Ask) -> Answer:
        tools = tool_specs(ask.scenario)
        attempts = 0
        done = None
        rung: Rung = self.rung
        for rung in RUNGS[RUNGS.index(self.rung) :]:
            prompt = _wire(ask, rung)
            done = self._send(prompt, tools, ask.scenario.expected_tool, rung, ask.seed)
            attempts += done.attempts
            if not _rejected(done):
                break
        assert done is not None
        reply = done.failure or read_tool_reply(done.text, tools)
        repaired = False
        if isinstance(reply, ToolReply) and reply.tool and reply.arguments is None and not reply.truncated:
            repaired = True
            again = [
                *_wire(ask, rung),
                {"role": "assistant", "content": reply.text[:_KEPT]},
                {"role": "user", "content": REPAIR},
            ]
            done = self._send(again, tools, ask.scenario.expected_tool, rung, ask.seed)
            attempts += done.attempts
            reply = done.failure or read_tool_reply(done.text, tools)
        return _answered(ask, reply, rung, repaired, attempts)

    def _send(
        self, prompt: Sequence[Mapping[str, Any]], tools: Sequence[ToolSpec], expected: str, rung: Rung, seed: int
    ) -> Exchange:
        fields = {
            "messages": list(prompt),
            self._limit_field: self.settings["max_tokens"],
            "temperature": self.settings["temperature"],
            "seed": seed % 2**31,
            **tool_fields(tools, rung, expected),
        }
        return self.policy.exchange(fields, seed)


def _wire(ask: Ask, rung: Rung) -> list[dict[str, Any]]:
    return [{"role": m.role, "content": m.content} for m in messages(ask, in_text=rung == "text")]


def _rejected(done: Exchange) -> bool:
    """Whether the endpoint refused the request's form, which the next rung may mend."""
    status = done.status or 0
    return done.failure is not None and (400 <= status < 500 or status == 501) and status not in _NOT_ABOUT_THE_FIELDS


def _answered(ask: Ask, reply: ToolReply | CallFailure, rung: Rung, repaired: bool, attempts: int) -> Answer:
    if isinstance(reply, CallFailure):
        message = plain_text(f"{reply.kind}: {reply.message}")
        return Answer(Outcome.CALL_FAILED, rung=rung, repaired=repaired, attempts=attempts, message=message)
    outcome, message = classify(ask.scenario, reply.tool, reply.arguments)
    if outcome is not Outcome.OK and reply.refused:
        outcome, message = Outcome.REFUSED, "the endpoint reports a refusal"
    elif outcome in (Outcome.NO_CALL, Outcome.INVALID_JSON) and reply.truncated:
        outcome, message = Outcome.TRUNCATED, "cut at the token limit"
    return Answer(
        outcome,
        reply.tool and plain_text(reply.tool[:80]),
        plain_arguments(reply.arguments),
        rung="text" if reply.in_text else rung,
        repaired=repaired,
        attempts=attempts,
        message=plain_text(message),
        raw=plain_text(reply.text[:_KEPT]),
        prompt_tokens=reply.prompt_tokens,
        generated_tokens=reply.generated_tokens,
    )
