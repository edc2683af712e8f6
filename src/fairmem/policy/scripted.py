"""A policy that is a function: for demos, tests and for seeing a pipeline run without a model.

Tokens are UTF-8 bytes, and 256 ends a message. A script is certain of what it says, so every
log-probability is 0; it cannot score tokens it did not say, and cannot be trained.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fairmem.errors import ModelError
from fairmem.policy.base import Family, PolicyStats, Prompt, Reply, Sample, SampleRequest
from fairmem.policy.render import plain_text
from fairmem.policy.rules import reply_by_rules
from fairmem.trace import StopReason

Script = Callable[[Prompt, int], str]
"""(prompt, seed) -> the text of the reply. Same arguments, same text."""

END = 256
"""Id of the end-of-message token."""


class ScriptedPolicy:
    """Replies with what `script` returns; by default with `rules.reply_by_rules`, for the compact prompts.

    Temperature is left to the script, which does not see it.
    """

    def __init__(self, script: Script = reply_by_rules, *, name: str = "scripted", family: Family = "compact") -> None:
        self.name = name
        self.family: Family = family
        self.stats = PolicyStats()
        self.last_call = PolicyStats()
        self._script = script

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """One sample per request; texts are cut, at a whole character, where they exceed `max_tokens` bytes."""
        start = time.perf_counter()
        samples = [self._one(request) for request in requests]
        self.last_call = PolicyStats(
            requests=len(requests),
            micro_batches=1 if requests else 0,
            prompt_tokens=sum(len(sample.prompt_ids) for sample in samples),
            generated_tokens=sum(len(sample.ids) for sample in samples),
            seconds=time.perf_counter() - start,
        )
        self.stats.add(self.last_call)
        return list(samples)

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Not possible: a script gives no probability to what it did not say. Raises ModelError."""
        raise ModelError(f"{self.name}: a script cannot score tokens; use a model folder (hf:PATH)")

    def count_tokens(self, text: str) -> int:
        """Number of UTF-8 bytes."""
        return len(_encode(text))

    def token_ends(self, ids: Sequence[int]) -> tuple[int, ...]:
        """See `fairmem.policy.TokenPlaces`; a character ends with its last byte."""
        said = bytes(token for token in ids if token != END)
        ends = [len(said[:number].decode("utf-8", "ignore")) for number in range(1, len(said) + 1)]
        return (*ends, *[ends[-1] if ends else 0] * (len(ids) - len(said)))

    def close(self) -> None:
        """Nothing to release."""

    def _one(self, request: SampleRequest) -> Sample:
        prompt_text = plain_text(request.prompt)
        ids = (*_encode(self._script(request.prompt, request.seed)), END)
        stop = StopReason.EOS if len(ids) <= request.max_tokens else StopReason.LENGTH
        ids = ids[: request.max_tokens]
        return Sample(
            prompt_text=prompt_text,
            prompt_ids=tuple(_encode(prompt_text)),
            ids=ids,
            logprobs=(0.0,) * len(ids),
            text=bytes(token for token in ids if token != END).decode("utf-8", errors="ignore"),
            stop=stop,
        )


def _encode(text: str) -> bytes:
    # Lone surrogates occur in scraped dialogue and have no UTF-8 form.
    return text.encode("utf-8", errors="replace")
