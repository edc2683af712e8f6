"""The seam between fairmem and whatever samples tokens: a prompt goes in, a sample or a named failure comes out.

A `Policy` answers a batch of `SampleRequest`s. It is synchronous and order preserving, and it never raises
because of what a model or an endpoint said: such a call comes back as a `CallFailure`, in its place.
To draw n samples of one prompt, send n requests with n seeds.

Nothing here imports torch. Simplified: messages are plain text (no images); calls of tools come back as text too.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from fairmem.policy.calls import ToolSpec
from fairmem.trace import CallFailure, StopReason

Family = Literal["instruct", "compact"]
"""Prompt family a model understands: `instruct` (JSON contracts) or `compact` (line formats for small models)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


Prompt: TypeAlias = tuple[Message, ...]
"""Messages in order; the model writes the assistant message that follows the last."""


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """One sample to draw.

    Attributes:
        prompt: The messages.
        max_tokens: Most tokens to sample, the end-of-message token included; at least 1.
        temperature: Divides the logits before sampling; 0 takes the most likely token.
        seed: Names the random stream of this request. In-process backends return the same tokens for the
            same request, seed and weights whatever else is in the batch; endpoints are only asked to.
        tag: Kind of call (the role's name); requests with one tag are batched together.
        tools: Offered natively by endpoints; their calls come back as the text `{"calls": [...]}` (`calls_as_text`).
            Models that run in this process are not offered any.
    """

    prompt: Prompt
    max_tokens: int
    temperature: float = 1.0
    seed: int = 0
    tag: str = ""
    tools: tuple[ToolSpec, ...] = ()

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}, expected at least 1")
        # Written so that nan fails too.
        if not 0.0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}, expected a finite number of at least 0")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a model wrote for one request.

    Attributes:
        prompt_text: The prompt as the backend rendered it.
        prompt_ids: Its token ids; empty if the backend does not tell.
        ids: Sampled token ids, the end-of-message token included when it was sampled; empty if not told.
        logprobs: log p(token) in nats at the sampling temperature (at temperature 0: of the untempered
            distribution; endpoints: as they report them), one per sampled token; empty if the backend gives none.
        text: The sampled text without special tokens.
        stop: Why the model stopped.
        usage: Tokens of prompt and reply as an endpoint reports them; None where it does not, or there is none. What a
            call cost is no part of what was said: equal samples may differ in it.
        version: Version of the weights that sampled it, where the backend keeps count; else None.
    """

    prompt_text: str
    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    stop: StopReason
    usage: tuple[int, int] | None = field(default=None, compare=False)
    version: int | None = None


Reply: TypeAlias = Sample | CallFailure
"""What comes back for one request."""


@dataclass(slots=True)
class PolicyStats:
    """Work done by a policy. Counts are of tokens, not of padding; seconds are wall clock.

    `requests` counts all, `failures` those that came back as `CallFailure`; `micro_batches` counts calls of the
    model (for an endpoint: HTTP attempts). Policies that sample keep two: `stats`, since they were opened, and
    `last_call`, of the latest `sample` call.
    """

    requests: int = 0
    failures: int = 0
    micro_batches: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens per second of sampling; 0 before anything was sampled."""
        return self.generated_tokens / self.seconds if self.seconds > 0 else 0.0

    def add(self, other: PolicyStats) -> None:
        """Add `other` to these counts, in place."""
        self.requests += other.requests
        self.failures += other.failures
        self.micro_batches += other.micro_batches
        self.prompt_tokens += other.prompt_tokens
        self.generated_tokens += other.generated_tokens
        self.seconds += other.seconds


@runtime_checkable
class TokenPlaces(Protocol):
    """A policy that can say which of its sampled tokens wrote which part of a reply's text."""

    def token_ends(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Where in the text of the reply each of its sampled `ids` ends, in characters; never falling.

        A token that completes no character ends where the one before it does, and so does the end-of-message token.
        """
        ...


@runtime_checkable
class Policy(Protocol):
    """Something that samples text.

    Attributes:
        name: Identifies the model in traces and reports.
        family: Which prompts the model understands.
    """

    name: str
    family: Family

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """One reply per request, in the same order. A failed call is a `CallFailure`, never an exception."""
        ...

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Log-probabilities log p(ids[i] | prompt_ids[i]) in nats at temperature 1, one number per token of `ids[i]`.

        Raises:
            ModelError: the backend cannot score given tokens, or a sequence does not fit its context.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Number of tokens of `text`; endpoints give an approximation."""
        ...

    def close(self) -> None:
        """Release connections and files. Safe to call twice; the policy is not used afterwards."""
        ...


@runtime_checkable
class ConcurrentPolicy(Policy, Protocol):
    """A policy whose calls need not wait for each other: replies come one by one, each when it is done."""

    def submit(self, requests: Sequence[SampleRequest]) -> list[Future[Reply]]:
        """Begin to sample; one future per request, in order. A failed call is its result, never an exception."""
        ...
