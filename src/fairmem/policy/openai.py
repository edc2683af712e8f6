"""Any endpoint that speaks OpenAI's chat completions, over plain HTTP.

Replies that cannot be used come back as a `CallFailure` with the reason, after retries where waiting helps
(timeouts, dropped connections, 429 and 5xx). The seed is sent, but most endpoints promise nothing for it.

Simplified: no streaming; `sample` offers a request's tools, and never insists. What needs other fields uses `exchange`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import httpx

from fairmem.errors import ConfigError, EndpointError, ModelError
from fairmem.policy.base import Family, Message, PolicyStats, Reply, SampleRequest
from fairmem.policy.calls import tool_fields
from fairmem.policy.completion import read_completion, read_refusal
from fairmem.policy.render import approximate_tokens
from fairmem.seeds import python_rng
from fairmem.trace import CallFailure, FailureKind

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How long to insist: `attempts` in all, waits of `first_wait` seconds doubling up to `longest_wait`.

    A Retry-After header replaces the wait, up to `longest_wait`. Waits are spread by up to a half, by seed.
    """

    attempts: int
    first_wait: float
    longest_wait: float

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_wait < 0 or self.longest_wait < 0:
            raise ConfigError(f"{self}: expected at least 1 attempt and waits of at least 0 seconds")

    def wait(self, attempt: int, seed: int, retry_after: str | None) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1)."""
        if retry_after is not None and retry_after.strip().isdigit():
            return min(float(retry_after), self.longest_wait)
        spread = 1.0 + 0.5 * python_rng(seed, "retry", attempt).random()
        return min(self.first_wait * 2 ** (attempt - 1) * spread, self.longest_wait)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, after its retries.

    Attributes:
        text: Body of the answer; empty if there was none.
        status: Of the last answer; None if there was none.
        failure: Why the request failed; None for an answer of status 200, whatever is in it.
        attempts: HTTP requests made.
    """

    text: str
    status: int | None
    failure: CallFailure | None
    attempts: int


@dataclass(frozen=True, slots=True)
class _Attempted:
    """The outcome of one request with what it cost."""

    reply: Reply
    attempts: int
    prompt_tokens: int
    generated_tokens: int


class OpenAIPolicy:
    """A model behind an OpenAI-compatible endpoint.

    Attributes:
        name: The model's name as the endpoint knows it.
        stats: Work since the policy was opened; `last_call`: of the latest `sample`. Token counts are those
            the endpoint reports, else approximations.
    """

    def __init__(
        self,
        name: str,
        base_url: str = "https://api.openai.com/v1",
        *,
        api_key_env: str = "OPENAI_API_KEY",
        family: Family = "instruct",
        concurrency: int = 16,
        timeout: float = 120.0,
        attempts: int = 5,
        first_wait: float = 0.5,
        longest_wait: float = 30.0,
        logprobs: bool = False,
        omit: Sequence[str] = (),
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """Open the client; nothing is sent before `check` or `sample`.

        Args:
            name: Model to ask for.
            base_url: Up to and with the version, such as `http://127.0.0.1:8000/v1`.
            api_key_env: Environment variable with the key; if it is unset, no key is sent.
            family: Prompts the model understands.
            concurrency: Most requests in flight.
            timeout: Seconds to wait for a connection and for each part of an answer.
            attempts: Most HTTP requests for one sample.
            first_wait: Seconds to wait before the second; doubles from there (see `Retries`).
            longest_wait: Most seconds of one wait.
            logprobs: Ask for log-probabilities (some endpoints reject the field).
            omit: Fields not to send, for endpoints that reject them, such as `("seed",)`.
            extra: Fields to send besides, such as `{"top_p": 0.9}` or `{"max_completion_tokens": 512}`.

        Raises:
            ConfigError: the address is not http(s), or a number is out of range.
        """
        url = check_address(base_url)
        if not name or concurrency < 1 or timeout <= 0:
            raise ConfigError(
                f"model {name!r}, concurrency {concurrency}, timeout {timeout}: expected a name and positive numbers"
            )
        self.name = name
        self.family: Family = family
        self.stats = PolicyStats()
        self.last_call = PolicyStats()
        self._base_url = base_url.rstrip("/")
        self._concurrency = concurrency
        self._retries = Retries(attempts, first_wait, longest_wait)
        self._logprobs = logprobs
        self._omit = frozenset(omit)
        self._extra = dict(extra or {})
        key = os.environ.get(api_key_env)
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout,
            limits=httpx.Limits(max_connections=concurrency),
            # A proxy from the environment cannot reach a server on this machine.
            trust_env=url.host not in LOOPBACK,
        )

    def check(self) -> None:
        """Ask for one short reply, so that a run does not start with an endpoint that cannot serve it.

        Raises:
            EndpointError: it cannot be reached, rejects the key, the model or a field, or answers nonsense.
                A rate limit passes: it shows that the endpoint works.
        """
        probe = SampleRequest(prompt=(Message("user", "Say OK."),), max_tokens=16, temperature=0.0)
        reply = self._call(probe, attempts=1).reply
        if isinstance(reply, CallFailure) and reply.kind is not FailureKind.RATE_LIMITED:
            raise EndpointError(
                f"{self._base_url}: model '{self.name}' gives no reply ({reply.kind}: {reply.message}); "
                "check the address, the key and the model's name"
            )

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """One reply per request, in order, with at most `concurrency` in flight."""
        start = time.perf_counter()
        done: list[_Attempted] = []
        if requests:
            with ThreadPoolExecutor(min(self._concurrency, len(requests)), "fairmem-openai") as pool:
                done = list(pool.map(self._call, requests))
        self.last_call = PolicyStats(
            requests=len(requests),
            failures=sum(isinstance(one.reply, CallFailure) for one in done),
            micro_batches=sum(one.attempts for one in done),
            prompt_tokens=sum(one.prompt_tokens for one in done),
            generated_tokens=sum(one.generated_tokens for one in done),
            seconds=time.perf_counter() - start,
        )
        self.stats.add(self.last_call)
        return [one.reply for one in done]

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Not possible: chat completions give no log-probabilities of given tokens. Raises ModelError."""
        raise ModelError(f"openai:{self.name}: an endpoint cannot score given tokens; use a model folder (hf:PATH)")

    def count_tokens(self, text: str) -> int:
        """Words plus punctuation marks: an approximation, since the endpoint's tokenizer is not known."""
        return approximate_tokens(text)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def exchange(self, fields: Mapping[str, object], seed: int, attempts: int | None = None) -> Exchange:
        """Send `fields` besides the model's name to `chat/completions`; retry where waiting may help.

        `omit` and `extra` of the constructor hold here too. Safe to call from several threads.
        """
        body = {name: value for name, value in {"model": self.name, **fields}.items() if name not in self._omit}
        body |= self._extra
        most = attempts or self._retries.attempts
        attempt = 1
        found, again, retry_after = self._attempt(body)
        while again and attempt < most:
            time.sleep(self._retries.wait(attempt, seed, retry_after))
            attempt += 1
            found, again, retry_after = self._attempt(body)
        if found.failure is not None:
            return replace(found, attempts=attempt, failure=found.failure.model_copy(update={"attempts": attempt}))
        return replace(found, attempts=attempt)

    def _call(self, request: SampleRequest, attempts: int | None = None) -> _Attempted:
        done = self.exchange(self._fields(request), request.seed, attempts)
        read = done.failure or read_completion(done.text, request)
        if isinstance(read, CallFailure):
            return _Attempted(read.model_copy(update={"attempts": done.attempts}), done.attempts, 0, 0)
        sample, usage = read
        return _Attempted(sample, done.attempts, *usage)

    def _fields(self, request: SampleRequest) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "messages": [{"role": m.role, "content": m.content} for m in request.prompt],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            # Servers differ in the width they accept; 31 bits fit all.
            "seed": request.seed % 2**31,
        }
        fields |= tool_fields(request.tools, "auto", request.tools[0].name) if request.tools else {}
        return fields | ({"logprobs": True} if self._logprobs else {})

    def _attempt(self, body: dict[str, Any]) -> tuple[Exchange, bool, str | None]:
        """One HTTP exchange: its outcome, whether trying again may help, and the Retry-After header."""
        try:
            response = self._client.post(f"{self._base_url}/chat/completions", json=body)
        except httpx.TimeoutException as error:
            message = f"no answer within {self._client.timeout.read} s ({type(error).__name__})"
            return _unanswered(FailureKind.TIMEOUT, message), True, None
        except httpx.DecodingError as error:
            message = f"the answer's content encoding is damaged: {error}"
            return _unanswered(FailureKind.BAD_RESPONSE, message), False, None
        except httpx.TransportError as error:
            return _unanswered(FailureKind.UNREACHABLE, f"{type(error).__name__}: {error}"), True, None
        if response.status_code != 200:
            failure = read_refusal(response.status_code, response.text)
            again = failure.kind in (FailureKind.RATE_LIMITED, FailureKind.SERVER_ERROR, FailureKind.TIMEOUT)
            exchange = Exchange(response.text, response.status_code, failure, 1)
            return exchange, again, response.headers.get("retry-after")
        return Exchange(response.text, 200, None, 1), False, None


def _unanswered(kind: FailureKind, message: str) -> Exchange:
    return Exchange("", None, CallFailure(kind=kind, message=message), 1)


def check_address(base_url: str) -> httpx.URL:
    """`base_url` as an address; ConfigError unless it is one of http(s)."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"base_url is {base_url!r}, expected an address such as http://127.0.0.1:8000/v1")
    return url
