"""What an evaluation says while it works: calls, failures, tokens and cost so far, every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from fairmem.eval.calls import RecordedCalls

EVERY = 10.0
"""Seconds between two lines."""


class LiveLines:
    """Told of every call; says how things stand at most once in `every` seconds.

    Building the memory of one long conversation is hundreds of calls, so the lines of the stages alone would leave a
    user without a word for an hour.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        prices: tuple[float, float] | None = None,
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`prices` are of a million prompt and reply tokens; `clock` gives seconds."""
        self._say, self._prices, self._every, self._clock = say, prices, every, clock
        self._started = self._last = clock()

    def __call__(self, calls: RecordedCalls) -> None:
        """Called after every reply, from whichever thread."""
        now = self._clock()
        if now - self._last < self._every:
            return
        self._last = now
        prompt, reply = calls.asked_prompt_tokens, calls.asked_reply_tokens
        failed = f", {calls.failures:,} failed" if calls.failures else ""
        cost = ""
        if self._prices is not None:
            cost = f", cost {(prompt * self._prices[0] + reply * self._prices[1]) / 1e6:,.4f}"
        self._say(
            f"  {calls.name}: {calls.asked:,} calls in {now - self._started:,.0f} s{failed}; "
            f"{prompt:,} prompt and {reply:,} reply tokens{cost}"
        )
