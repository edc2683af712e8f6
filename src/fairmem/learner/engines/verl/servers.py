"""verl's generation servers as a `Policy`: prompts are rendered here, token ids go out and come back.

The servers balance the load and hold the newest weights. All requests of a wave are in flight at once; the ids that
were sampled are the ids that are trained.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fairmem.errors import EndpointError, ModelError, boundary
from fairmem.policy import Family, Reply, SampleRequest
from fairmem.policy.render import Renderer
from fairmem.policy.sampled import read_sampled, token_ends, unfit
from fairmem.trace import CallFailure, FailureKind

Generate = Callable[..., Awaitable[Any]]
"""`LLMServerClient.generate`: (request_id, prompt_ids, sampling_params) -> a `TokenOutput`."""


class ServerPolicy:
    """Samples from verl's servers; called from a thread, while `loop` runs in another.

    Args:
        generate: Of verl's client.
        loop: The event loop it belongs to.
        tokenizer: Of the model.
        family: Prompts the model understands.
        eos: Ids that end a message.
        context: Most positions of prompt and reply together.
        version: Of the weights that are to answer; a reply of others is a failure.
        name: Begins the ids of requests.
    """

    def __init__(
        self,
        generate: Generate,
        loop: asyncio.AbstractEventLoop,
        tokenizer: Any,
        family: Family,
        eos: Sequence[int],
        context: int,
        version: int,
        name: str = "verl",
    ) -> None:
        self.name = name
        self.family: Family = family
        self._generate, self._loop, self._tokenizer, self._eos = generate, loop, tokenizer, tuple(eos)
        self._context, self._version = context, version
        self._renderer = Renderer(tokenizer, family)
        self._asked = 0

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """One reply per request; a server that cannot be reached or answers oddly is a failure in its place."""

        async def everything() -> list[Reply]:
            first, self._asked = self._asked, self._asked + len(requests)
            return await asyncio.gather(*(self._one(r, first + number) for number, r in enumerate(requests)))

        return asyncio.run_coroutine_threadsafe(everything(), self._loop).result()

    async def _one(self, request: SampleRequest, number: int) -> Reply:
        text = self._renderer.text(request.prompt)
        prompt = self._renderer.ids(text)
        failure = unfit(len(prompt), request.max_tokens, self._context)
        if failure is not None:
            return failure
        wanted = {
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": 1.0,
            "top_k": -1,
            "seed": request.seed,
            "logprobs": True,
        }
        asked = f"{self.name}-{number}"
        try:
            with boundary(EndpointError, asked):  # what verl and Ray raise is not ours to list
                out = await self._generate(request_id=asked, prompt_ids=list(prompt), sampling_params=wanted)
        except EndpointError as error:
            return CallFailure(kind=FailureKind.SERVER_ERROR, message=str(error)[:400])
        version = out.extra_fields.get("global_steps")
        if version is not None and version != self._version:
            message = f"sampled by weights of version {version}, expected {self._version}"
            return CallFailure(kind=FailureKind.BAD_RESPONSE, message=message)
        ids, logprobs = tuple(out.token_ids), tuple(out.log_probs or ())
        if not ids or len(ids) != len(logprobs):
            message = f"{len(ids)} token ids with {len(logprobs)} log-probabilities, expected one each"
            return CallFailure(kind=FailureKind.BAD_RESPONSE, message=message)
        return read_sampled(self._tokenizer, self.name, self._eos, text, prompt, ids, logprobs)

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Raises ModelError: verl's servers sample, they do not score given tokens."""
        raise ModelError(f"{self.name}: verl's servers do not score given tokens")

    def count_tokens(self, text: str) -> int:
        """Number of tokens of `text` alone."""
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def token_ends(self, ids: Sequence[int]) -> tuple[int, ...]:
        """See `fairmem.policy.TokenPlaces`."""
        return token_ends(self._tokenizer, self._eos, ids)

    def close(self) -> None:
        """Nothing to release: the servers are verl's."""
