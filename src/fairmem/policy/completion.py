"""Reading what a chat completions endpoint answered. Pure functions from the text of an answer to a typed outcome."""

from __future__ import annotations

import json
import math
from typing import Any

from fairmem.policy.base import Sample, SampleRequest
from fairmem.policy.calls import NO_CALLS, calls_as_text
from fairmem.policy.render import approximate_tokens, plain_text
from fairmem.trace import CallFailure, FailureKind, StopReason

_QUOTED = 200
"""Most characters of an answer that a message quotes."""

_TOO_LONG = ("context_length_exceeded", "maximum context length", "context window", "prompt is too long")


def read_refusal(status: int, text: str) -> CallFailure:
    """The failure that an HTTP `status` other than 200 with body `text` stands for."""
    if status == 429:
        kind = FailureKind.RATE_LIMITED
    elif status in (408, 504):
        kind = FailureKind.TIMEOUT
    elif status >= 500:
        kind = FailureKind.SERVER_ERROR
    elif status == 413 or (status == 400 and any(phrase in text.lower() for phrase in _TOO_LONG)):
        kind = FailureKind.PROMPT_TOO_LONG
    elif status >= 400:
        kind = FailureKind.REFUSED
    else:
        kind = FailureKind.BAD_RESPONSE
    return CallFailure(kind=kind, message=f"HTTP {status}: {_quoted(text)}")


def read_completion(text: str, request: SampleRequest) -> CallFailure | tuple[Sample, tuple[int, int]]:
    """The sample in the body of a 200 answer, with its (prompt, generated) token counts; or why there is none.

    Counts are those in the answer's `usage`, else approximations.
    """
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        return _bad(f"not JSON: {_quoted(text)}")
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return _bad(f"no choices in it: {_quoted(text)}")
    choice: dict[str, Any] = choices[0]
    reason = choice.get("finish_reason")
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if reason == "content_filter":
        return CallFailure(kind=FailureKind.REFUSED, message="the endpoint's content filter withheld the reply")
    if isinstance(message, dict) and request.tools:
        # A message without text and without calls is what a model gives that changes nothing.
        content = calls_as_text(message, request.tools) or (content if isinstance(content, str) else NO_CALLS)
    if content is None and reason == "length":
        # A reasoning model that spent its whole budget before its first visible word.
        content = ""
    if not isinstance(content, str):
        return _bad(f"no text in its first choice: {_quoted(text)}")
    # Half a surrogate pair, as of an emoji cut by the token limit, is text that no file can hold.
    content = content.encode("utf-8", "replace").decode()
    usage = body.get("usage")
    sample = Sample(
        prompt_text=plain_text(request.prompt),
        prompt_ids=(),
        ids=(),
        logprobs=_logprobs(choice),
        text=content,
        stop=StopReason.LENGTH if reason == "length" else StopReason.EOS,
        usage=_usage(usage),
    )
    prompt = _count(usage, "prompt_tokens", sample.prompt_text)
    return sample, (prompt, _count(usage, "completion_tokens", content))


def _usage(usage: Any) -> tuple[int, int] | None:
    """(prompt, completion) tokens if the endpoint reports both."""
    counts: list[Any] = []
    if isinstance(usage, dict):
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]  # type: ignore[reportUnknownMemberType]
    if len(counts) != 2 or not all(isinstance(count, int) and count >= 0 for count in counts):
        return None
    return (counts[0], counts[1])


def _logprobs(choice: dict[str, Any]) -> tuple[float, ...]:
    """One number per token if the endpoint gave a full list of finite ones, else none at all."""
    field = choice.get("logprobs")
    tokens = field.get("content") if isinstance(field, dict) else None
    found: list[float] = []
    for token in tokens if isinstance(tokens, list) else ():
        value = token.get("logprob") if isinstance(token, dict) else None
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            return ()
        found.append(float(value))
    return tuple(found)


def _count(usage: Any, field: str, text: str) -> int:
    value = usage.get(field) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else approximate_tokens(text)


def _bad(what: str) -> CallFailure:
    return CallFailure(kind=FailureKind.BAD_RESPONSE, message=f"the answer is no chat completion, {what}")


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED else f"{line[:_QUOTED]}..."
