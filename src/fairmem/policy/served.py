"""A model on one or several servers as a policy: token ids go out, sampled ids and log-probabilities come back.

For servers that speak `/v1/completions` with token ids, as vLLM does (`token_completion`). All calls are coroutines of
one event loop in a thread of its own: a reply that is done goes back at once, whatever the others do. What is
sampled depends on the request and its seed, never on the order in which replies come, as far as the server keeps to
the seed (vLLM does for one batch shape; kernels round differently in others).

Load: per server a window that shrinks when it answers 429 or 503 and is not asked again before its Retry-After
(`Lane`). Requests with the same prompt go to the same server, one after the other. Timeouts, dropped connections and
5xx are tried again up to `attempts` times, on the next server if one cannot be reached; what remains is a
`CallFailure` that says why.
"""

from __future__ import annotations

import array
import asyncio
import os
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import httpx

from fairmem.errors import ConfigError, EndpointError, ModelError
from fairmem.policy.base import Family, Message, PolicyStats, Prompt, Reply, Sample, SampleRequest
from fairmem.policy.completion import read_refusal
from fairmem.policy.lane import Lane
from fairmem.policy.openai import LOOPBACK, Retries, check_address
from fairmem.policy.render import Renderer
from fairmem.policy.sampled import read_sampled, unfit
from fairmem.policy.token_completion import completion_fields, read_sampled_ids, read_scores, scoring_fields
from fairmem.trace import CallFailure, FailureKind

_BUSY = (429, 503)
_SHORTEST = 0.02
"""Least seconds before a busy server is asked again, whatever its Retry-After says."""
_AGAIN = (FailureKind.SERVER_ERROR, FailureKind.TIMEOUT, FailureKind.UNREACHABLE)


@dataclass(slots=True, eq=False)
class _Job:
    """One request on its way: `sent` counts its HTTP requests, `attempts` those that count against its limit.

    `read` makes of the body of a 200 answer what the future is to hold, or the failure that it stands for.
    """

    body: dict[str, object]
    prompt: tuple[int, ...]
    seed: int
    read: Callable[[str], Any]
    lanes: tuple[int, ...]
    future: Future[Any] = field(default_factory=Future[Any])
    sent: int = 0
    attempts: int = 0
    moves: int = 0
    busy_since: float | None = None


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
        hosts = [check_address(address).host for address in servers]
        self.name = name
        self.family: Family = family
        self.version = version
        self.stats = PolicyStats()
        self.last_call = PolicyStats()
        self.context = context
        self._tokenizer, self._eos = tokenizer, tuple(eos)
        self._renderer = Renderer(tokenizer, family)
        self._rendered = lru_cache(maxsize=4096)(self._render)
        self._retries = Retries(attempts, first_wait, longest_wait)
        self._timeout = timeout
        self._lanes: list[Lane[_Job]] = [Lane(address.rstrip("/"), in_flight) for address in servers]
        key = os.environ.get(api_key_env)
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, pool=None),
            limits=httpx.Limits(max_connections=in_flight * len(servers), max_keepalive_connections=None),
            # A proxy from the environment cannot reach a server on this machine.
            trust_env=not all(host in LOOPBACK for host in hosts),
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[_Job] = set()
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fairmem-served", daemon=True)
        self._thread.start()

    @property
    def servers(self) -> tuple[str, ...]:
        """Addresses of the servers."""
        return tuple(lane.url for lane in self._lanes)

    @property
    def limits(self) -> tuple[int, ...]:
        """How many requests each server is sent at once now; falls when it says that it is busy."""
        return tuple(int(lane.limit) for lane in self._lanes)

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
        futures = [self._submit([request], lane=number)[0] for number in range(len(self._lanes))]
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
        jobs: list[_Job | None] = []
        for prompt, reply in zip(prompt_ids, ids, strict=True):
            if not reply:
                jobs.append(None)
                continue
            failure = unfit(len(prompt), len(reply), self.context)
            if failure is not None:
                raise ModelError(f"{self.name}: cannot score: {failure.message}")
            read = partial(read_scores, prompt=len(prompt), ids=reply)
            jobs.append(self._job(scoring_fields(self.name, prompt, reply), tuple(prompt), 0, read))
        self._start([job for job in jobs if job is not None])
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
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _submit(self, requests: Sequence[SampleRequest], lane: int | None = None) -> list[Future[Reply]]:
        futures: list[Future[Reply]] = []
        jobs: list[_Job] = []
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
            job = self._job(fields, prompt, request.seed, read)
            if lane is not None:
                job.lanes = (lane,)
            futures.append(job.future)
            jobs.append(job)
        self._start(jobs)
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

    def _render(self, prompt: Prompt) -> tuple[str, tuple[int, ...]]:
        text = self._renderer.text(prompt)
        return text, self._renderer.ids(text)

    def _job(self, body: dict[str, object], prompt: tuple[int, ...], seed: int, read: Callable[[str], Any]) -> _Job:
        # Rendezvous hashing: a prompt's siblings meet at one server, and a server more or less moves few prompts.
        key = zlib.crc32(array.array("q", prompt).tobytes())
        order = sorted(range(len(self._lanes)), key=lambda i: zlib.crc32(self._lanes[i].url.encode(), key))
        return _Job(body, prompt, seed, read, tuple(order))

    def _start(self, jobs: Sequence[_Job]) -> None:
        # In one go, so that jobs stand in the queue before the first of them is sent.
        self._loop.call_soon_threadsafe(self._enqueue, list(jobs))

    def _settle(self, job: _Job, outcome: Any) -> None:
        self._open.discard(job)
        if job.future.done():
            return
        if isinstance(outcome, CallFailure):
            outcome = outcome.model_copy(update={"attempts": job.sent})
        if isinstance(outcome, (Sample, CallFailure)):
            self._count(outcome, job.sent)
        job.future.set_result(outcome)

    def _enqueue(self, jobs: Sequence[_Job], first: bool = False) -> None:
        self._open.update(jobs)
        for job in jobs:
            self._lane(job).put(job.prompt, job, first)
        for lane in self._lanes:
            self._pump(lane)

    def _lane(self, job: _Job) -> Lane[_Job]:
        return self._lanes[job.lanes[job.moves % len(job.lanes)]]

    def _pump(self, lane: Lane[_Job]) -> None:
        """Send what may be sent."""
        now = self._loop.time()
        while (job := lane.take(now)) is not None:
            task = self._loop.create_task(self._attempt(job, lane))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, job, lane))
        if lane.waiting and now < lane.paused_until:
            self._loop.call_at(lane.paused_until, self._pump, lane)

    def _ended(self, job: _Job, lane: Lane[_Job], task: asyncio.Task[None]) -> None:
        """A request whose coroutine broke is a failure too: nobody may wait for it for ever."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            lane.failed()
            message = f"the answer cannot be read: {type(error).__name__}: {error}"
            self._settle(job, CallFailure(kind=FailureKind.BAD_RESPONSE, message=message))
            self._pump(lane)

    async def _attempt(self, job: _Job, lane: Lane[_Job]) -> None:
        sent = self._loop.time()
        job.attempts += 1
        job.sent += 1
        answer, status, retry_after = await self._post(job.body, lane.url)
        outcome = job.read(answer) if isinstance(answer, str) else answer
        if status in _BUSY:
            self._busy(job, lane, outcome, sent, retry_after)
            return
        if not isinstance(outcome, CallFailure):
            lane.succeeded()
            self._settle(job, outcome)
        else:
            lane.failed()
            if outcome.kind not in _AGAIN or job.attempts >= self._retries.attempts:
                self._settle(job, outcome)
            else:
                job.moves += outcome.kind is FailureKind.UNREACHABLE
                wait = self._retries.wait(job.attempts, job.seed, retry_after)
                self._loop.call_later(wait, self._enqueue, [job], True)
        self._pump(lane)

    def _busy(self, job: _Job, lane: Lane[_Job], failure: CallFailure, sent: float, retry_after: str | None) -> None:
        """A server that has too much to do is waited for, up to the timeout; that is no attempt of the request."""
        now = self._loop.time()
        since = job.busy_since = now if job.busy_since is None else job.busy_since
        lane.refused(now, sent, max(_SHORTEST, self._retries.wait(1, job.seed, retry_after)))
        if now - since > self._timeout:
            message = f"busy for {now - since:.1f} s: {failure.message}"
            self._settle(job, CallFailure(kind=FailureKind.RATE_LIMITED, message=message))
        else:
            job.attempts -= 1
            lane.put(job.prompt, job, first=True)
        self._pump(lane)

    async def _post(self, body: dict[str, object], url: str) -> tuple[str | CallFailure, int | None, str | None]:
        """(body of a 200 answer or the failure, status, Retry-After) of one HTTP request."""
        try:
            response = await self._client.post(f"{url}/completions", json=body)
        except httpx.TimeoutException as error:
            message = f"no answer within {self._timeout:g} s ({type(error).__name__})"
            return CallFailure(kind=FailureKind.TIMEOUT, message=message), None, None
        except httpx.DecodingError as error:
            message = f"the answer's content encoding is damaged: {error}"
            return CallFailure(kind=FailureKind.BAD_RESPONSE, message=message), None, None
        except httpx.TransportError as error:
            message = f"{type(error).__name__}: {error}"
            return CallFailure(kind=FailureKind.UNREACHABLE, message=message), None, None
        if response.status_code == 200:
            return response.text, 200, None
        failure = read_refusal(response.status_code, response.text)
        return failure, response.status_code, response.headers.get("retry-after")

    async def _shut(self) -> None:
        closed = CallFailure(kind=FailureKind.UNREACHABLE, message="the policy was closed")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self._lanes:
            lane.drain()
        for job in list(self._open):
            self._settle(job, closed)
        await self._client.aclose()
