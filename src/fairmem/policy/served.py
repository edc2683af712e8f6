"""A model on one or several servers as a policy: token ids go out, sampled ids and log-probabilities come back.

For servers that speak `/v1/completions` with token ids, as vLLM does (`token_completion`). A reply that is done goes
back at once, whatever the others do (`traffic`). What is sampled depends on the request and its seed, never on the
order in which replies come, as far as the server keeps to the seed (vLLM does for one batch shape; kernels round
differently in others).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Any

from fairmem.errors import ConfigError, EndpointError, ModelError
from fairmem.policy.base import Family, Message, PolicyStats, Prompt, Reply, Sample, SampleRequest
from fairmem.policy.openai import Retries
from fairmem.policy.render import Renderer
from fairmem.policy.sampled import read_sampled, unfit
from fairmem.policy.token_completion import completion_fields, read_sampled_ids, read_scores, scoring_fields
from fairmem.policy.traffic import Job, Traffic
from fairmem.trace import CallFailure


class ServedPolicy:
    """Samples from servers that hold the model.

    Attributes:
        name: The model's name as the servers know it.
        version: Of the weights they hold, as far as is known here; a server that tells its own overrules it.
        context: Most positions of prompt and reply together; None: no limit known.
        stats: Work since the policy was opened; `last_call`: of the latest `sample`.
    """

    def __init__(
        self,
        name: str,
        servers: Sequence[str],
        tokenizer: Any,
        eos: Sequence[int],
        *,
        family: Family = "instruct",
        context: int | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        in_flight: int = 256,
        timeout: float = 300.0,
        attempts: int = 5,
        first_wait: float = 0.5,
        longest_wait: float = 30.0,
        version: int | None = None,
    ) -> None:
        """Start the event loop; nothing is sent before `check` or `sample`.

        Args:
            name: Model to ask for.
            servers: Addresses up to and with the version, such as `http://127.0.0.1:8000/v1`.
            tokenizer: Of the model; prompts are rendered and read back with it.
            eos: Ids that end a message.
            family: Prompts the model understands.
            context: Most positions of prompt and reply together; None: no limit known.
            api_key_env: Environment variable with the key; if it is unset, no key is sent.
            in_flight: Most requests in flight at one server.
            timeout: Seconds to wait for an answer, and in all for a server that says it is busy.
            attempts: Most HTTP requests for one sample, those that found the server busy not counted.
            first_wait: Seconds before the second attempt; doubles from there (`Retries`).
            longest_wait: Most seconds of one wait, Retry-After included.
            version: Of the weights the servers hold.

        Raises:
            ConfigError: no server, an address that is not http(s), or a number out of range.
        """
        if not name or not servers or in_flight < 1 or timeout <= 0:
            raise ConfigError(
                f"model {name!r}, {len(servers)} servers, in_flight {in_flight}, timeout {timeout}: "
                "expected a name, at least one address and positive numbers"
            )
        self.name = name
        self.family: Family = family
        self.version = version
        self.stats = PolicyStats()
        self.last_call = PolicyStats()
        self.context = context
        self._tokenizer, self._eos = tokenizer, tuple(eos)
        self._renderer = Renderer(tokenizer, family)
        self._rendered = lru_cache(maxsize=4096)(self._render)
        self._counting = threading.Lock()
        retries = Retries(attempts, first_wait, longest_wait)
        self._traffic = Traffic(servers, os.environ.get(api_key_env), in_flight, timeout, retries, self._settled)

    @property
    def servers(self) -> tuple[str, ...]:
        """Addresses of the servers."""
        return self._traffic.servers

    @property
    def limits(self) -> tuple[int, ...]:
        """How many requests each server is sent at once now; falls when it says that it is busy."""
        return self._traffic.limits

    def check(self) -> None:
        """Ask every server for one short sample, so that a run does not start with one that cannot serve it.

        Raises:
            EndpointError: it cannot be reached, rejects the model or a field, or gives no ids or log-probabilities.
        """
        probe = SampleRequest((Message("user", "Say OK."),), max_tokens=2, seed=1)
        for url, reply in zip(self.servers, self.probe(probe), strict=True):
            if isinstance(reply, CallFailure):
                raise EndpointError(
                    f"{url}: model '{self.name}' gives no sample to train on ({reply.kind}: {reply.message}); "
                    "check the address, the key, the model's name and that the server takes token ids"
                )

    def probe(self, request: SampleRequest) -> list[Reply]:
        """The reply of every server to one request, in the order of `servers`."""
        futures = [self._submit([request], lane=number)[0] for number in range(len(self.servers))]
        return [future.result() for future in futures]

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """One reply per request, in order."""
        start, before = time.perf_counter(), self.stats.micro_batches
        replies = [future.result() for future in self.submit(requests)]
        told = [reply for reply in replies if isinstance(reply, Sample)]
        self.last_call = PolicyStats(
            requests=len(requests),
            failures=len(replies) - len(told),
            micro_batches=self.stats.micro_batches - before,
            prompt_tokens=sum(len(reply.prompt_ids) for reply in told),
            generated_tokens=sum(len(reply.ids) for reply in told),
            seconds=time.perf_counter() - start,
        )
        self.stats.seconds += self.last_call.seconds
        return replies

    def submit(self, requests: Sequence[SampleRequest]) -> list[Future[Reply]]:
        """Begin to sample; one future per request, in order. A failed call is its result, never an exception."""
        return self._submit(requests)

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Log-probabilities log p(ids[i] | prompt_ids[i]) in nats at temperature 1, from `prompt_logprobs`.

        Raises:
            ModelError: a server gives none, or a sequence does not fit the context.
        """
        jobs: list[Job | None] = []
        for prompt, reply in zip(prompt_ids, ids, strict=True):
            if not reply:
                jobs.append(None)
                continue
            failure = unfit(len(prompt), len(reply), self.context)
            if failure is not None:
                raise ModelError(f"{self.name}: cannot score: {failure.message}")
            read = partial(read_scores, prompt=len(prompt), ids=reply)
            jobs.append(self._traffic.job(scoring_fields(self.name, prompt, reply), tuple(prompt), 0, read))
        self._traffic.start([job for job in jobs if job is not None])
        found: list[tuple[float, ...]] = []
        for job in jobs:
            scores = () if job is None else job.future.result()
            if isinstance(scores, CallFailure):
                raise ModelError(f"{self.name}: cannot score ({scores.kind}: {scores.message})")
            found.append(scores)
        return found

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a prompt that has been rendered."""
        return self._renderer.ids(text)

    def count_tokens(self, text: str) -> int:
        """Number of tokens of `text` alone."""
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def close(self) -> None:
        """Stop the event loop and close the connections; calls that wait come back as failures."""
        self._traffic.close()

    def _submit(self, requests: Sequence[SampleRequest], lane: int | None = None) -> list[Future[Reply]]:
        futures: list[Future[Reply]] = []
        jobs: list[Job] = []
        for request in requests:
            text, prompt = self._rendered(request.prompt)
            failure = unfit(len(prompt), request.max_tokens, self.context)
            if failure is not None:
                futures.append(Future())
                self._count(failure, 0)
                futures[-1].set_result(failure)
                continue
            fields = completion_fields(self.name, prompt, request, self._eos)
            read = partial(self._read, request=request, rendered=text, prompt=prompt, version=self.version)
            job = self._traffic.job(fields, prompt, request.seed, read)
            if lane is not None:
                job.lanes = (lane,)
            futures.append(job.future)
            jobs.append(job)
        self._traffic.start(jobs)
        return futures

    def _read(
        self, text: str, request: SampleRequest, rendered: str, prompt: tuple[int, ...], version: int | None
    ) -> Reply:
        """The reply in the body of a 200 answer; `version` is that of the weights when it was asked."""
        found = read_sampled_ids(text, prompt, request, self._eos)
        if isinstance(found, CallFailure):
            return found
        told = version if found.version is None else found.version
        return read_sampled(
            self._tokenizer, self.name, self._eos, rendered, prompt, found.ids, found.logprobs, version=told
        )

    def _count(self, reply: Reply, attempts: int) -> None:
        with self._counting:
            self.stats.requests += 1
            self.stats.micro_batches += attempts
            if isinstance(reply, Sample):
                self.stats.prompt_tokens += len(reply.prompt_ids)
                self.stats.generated_tokens += len(reply.ids)
            else:
                self.stats.failures += 1

    def _settled(self, outcome: Any, sent: int) -> None:
        if isinstance(outcome, (Sample, CallFailure)):
            self._count(outcome, sent)

    def _render(self, prompt: Prompt) -> tuple[str, tuple[int, ...]]:
        text = self._renderer.text(prompt)
        return text, self._renderer.ids(text)
