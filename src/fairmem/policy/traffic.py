"""HTTP requests to several servers at once, from any thread: queues, retries, back-pressure.

All calls are coroutines of one event loop in a thread of its own. Load: per server a window that shrinks when it
answers 429 or 503 and is not asked again before its Retry-After (`Lane`). Requests with the same prompt go to the
same server, one after the other. Timeouts, dropped connections and 5xx are tried again up to so many times, on the
next server if one cannot be reached; what remains is a `CallFailure` that says why.
"""

from __future__ import annotations

import array
import asyncio
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from fairmem.policy.completion import read_refusal
from fairmem.policy.lane import Lane
from fairmem.policy.openai import LOOPBACK, Retries, check_address
from fairmem.trace import CallFailure, FailureKind

_BUSY = (429, 503)
_SHORTEST = 0.02
"""Least seconds before a busy server is asked again, whatever its Retry-After says."""
_AGAIN = (FailureKind.SERVER_ERROR, FailureKind.TIMEOUT, FailureKind.UNREACHABLE)


@dataclass(slots=True, eq=False)
class Job:
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


class Traffic:
    """The event loop and its queues; it runs until `close`.

    Args:
        servers: Addresses up to and with the version.
        key: Sent as a bearer token, if there is one.
        in_flight: Most requests in flight at one server.
        timeout: Seconds to wait for an answer, and in all for a server that says it is busy.
        retries: How often and after what wait a request is sent again.
        settled: Told of every outcome with the number of HTTP requests it took; called in the loop's thread.
    """

    def __init__(
        self,
        servers: Sequence[str],
        key: str | None,
        in_flight: int,
        timeout: float,
        retries: Retries,
        settled: Callable[[Any, int], None],
    ) -> None:
        hosts = [check_address(address).host for address in servers]
        self._retries, self._timeout, self._settled = retries, timeout, settled
        self._lanes: list[Lane[Job]] = [Lane(address.rstrip("/"), in_flight) for address in servers]
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, pool=None),
            limits=httpx.Limits(max_connections=in_flight * len(servers), max_keepalive_connections=None),
            # A proxy from the environment cannot reach a server on this machine.
            trust_env=not all(host in LOOPBACK for host in hosts),
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[Job] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fairmem-served", daemon=True)
        self._thread.start()

    @property
    def servers(self) -> tuple[str, ...]:
        """Addresses of the servers."""
        return tuple(lane.url for lane in self._lanes)

    @property
    def limits(self) -> tuple[int, ...]:
        """How many requests each server is sent at once now."""
        return tuple(int(lane.limit) for lane in self._lanes)

    def close(self) -> None:
        """Stop the event loop and close the connections; calls that wait come back as failures."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def job(self, body: dict[str, object], prompt: tuple[int, ...], seed: int, read: Callable[[str], Any]) -> Job:
        """A request, not sent yet; `read` makes of the body of a 200 answer what its future holds, or a failure."""
        # Rendezvous hashing: a prompt's siblings meet at one server, and a server more or less moves few prompts.
        key = zlib.crc32(array.array("q", prompt).tobytes())
        order = sorted(range(len(self._lanes)), key=lambda i: zlib.crc32(self._lanes[i].url.encode(), key))
        return Job(body, prompt, seed, read, tuple(order))

    def start(self, jobs: Sequence[Job]) -> None:
        """Begin to send; what comes of a job is the result of its future."""
        # In one go, so that jobs stand in the queue before the first of them is sent.
        self._loop.call_soon_threadsafe(self._enqueue, list(jobs))

    def _settle(self, job: Job, outcome: Any) -> None:
        self._open.discard(job)
        if job.future.done():
            return
        if isinstance(outcome, CallFailure):
            outcome = outcome.model_copy(update={"attempts": job.sent})
        self._settled(outcome, job.sent)
        job.future.set_result(outcome)

    def _enqueue(self, jobs: Sequence[Job], first: bool = False) -> None:
        self._open.update(jobs)
        for job in jobs:
            self._lane(job).put(job.prompt, job, first)
        for lane in self._lanes:
            self._pump(lane)

    def _lane(self, job: Job) -> Lane[Job]:
        return self._lanes[job.lanes[job.moves % len(job.lanes)]]

    def _pump(self, lane: Lane[Job]) -> None:
        """Send what may be sent."""
        now = self._loop.time()
        while (job := lane.take(now)) is not None:
            task = self._loop.create_task(self._attempt(job, lane))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, job, lane))
        if lane.waiting and now < lane.paused_until:
            self._loop.call_at(lane.paused_until, self._pump, lane)

    def _ended(self, job: Job, lane: Lane[Job], task: asyncio.Task[None]) -> None:
        """A request whose coroutine broke is a failure too: nobody may wait for it for ever."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            lane.failed()
            message = f"the answer cannot be read: {type(error).__name__}: {error}"
            self._settle(job, CallFailure(kind=FailureKind.BAD_RESPONSE, message=message))
            self._pump(lane)

    async def _attempt(self, job: Job, lane: Lane[Job]) -> None:
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

    def _busy(self, job: Job, lane: Lane[Job], failure: CallFailure, sent: float, retry_after: str | None) -> None:
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
