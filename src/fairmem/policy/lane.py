"""What waits for one server, and how much of it may be in flight. Plain bookkeeping: no clock, no network of its own.

The number in flight rises by one per round of successes and halves when the server says that it is busy (additive
increase, multiplicative decrease; Chiu and Jain 1989), so it settles near what the server takes. Requests with the same
prompt are sent one after the other: siblings of a group read the same turns, and a server that keeps prefixes reads
them once.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Lane(Generic[Job]):
    """The queue of one server.

    Attributes:
        url: Its address.
        most: Most requests in flight, ever.
        limit: Most in flight now; at least 1.
        in_flight: How many are.
        paused_until: Nothing is sent before this moment (seconds, of the caller's clock).
        refusals: How often the server said that it is busy.
    """

    def __init__(self, url: str, most: int) -> None:
        self.url, self.most = url, most
        self.limit = float(most)
        self.in_flight = 0
        self.paused_until = 0.0
        self.refusals = 0
        self._cut_at = float("-inf")
        self._waiting: OrderedDict[tuple[int, ...], deque[Job]] = OrderedDict()

    def put(self, prompt: tuple[int, ...], job: Job, first: bool = False) -> None:
        """Add `job` behind the others with its prompt; `first` puts it before everything (it was sent before)."""
        group = self._waiting.setdefault(prompt, deque())
        if first:
            group.appendleft(job)
            self._waiting.move_to_end(prompt, last=False)
        else:
            group.append(job)

    def take(self, now: float) -> Job | None:
        """The next job to send, counted as in flight; None if nothing may be sent now."""
        if not self._waiting or self.in_flight >= int(self.limit) or now < self.paused_until:
            return None
        prompt, group = next(iter(self._waiting.items()))
        job = group.popleft()
        if not group:
            del self._waiting[prompt]
        self.in_flight += 1
        return job

    def drain(self) -> list[Job]:
        """Everything that waits, which is then forgotten."""
        jobs = [job for group in self._waiting.values() for job in group]
        self._waiting.clear()
        return jobs

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return sum(len(group) for group in self._waiting.values())

    def succeeded(self) -> None:
        """A request was answered."""
        self.in_flight -= 1
        self.limit = min(float(self.most), self.limit + 1.0 / self.limit)

    def failed(self) -> None:
        """A request was not answered as it should be; that says nothing about load."""
        self.in_flight -= 1

    def refused(self, now: float, sent: float, wait: float) -> None:
        """The server was busy for a request sent at `sent`; nothing is sent for `wait` seconds.

        Requests that were sent before the limit was last cut say nothing new.
        """
        self.in_flight -= 1
        self.refusals += 1
        if sent > self._cut_at:
            self.limit = max(1.0, float(int(self.limit / 2)))
            self._cut_at = now
        self.paused_until = max(self.paused_until, now + wait)
