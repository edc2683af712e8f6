"""Every model call of an evaluation, kept in a file as soon as its reply is there, so that none is made twice.

The file is JSON lines: per reply the hash of the request (prompt, token limit, temperature, seed, model), the text,
tokens and seconds. A run that is killed loses the calls in flight; the next one reads the file, a line torn by the kill
is dropped, and only what is missing is asked. Failed calls are not kept: the next run asks them again.

Token ids and log-probabilities are not kept: evaluation does not need them. Tokens are those that an endpoint reports
with its reply, else the policy's counts (for endpoints approximations: words and marks).
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from fairmem.errors import CheckpointError
from fairmem.policy import Family, OpenAIPolicy, Policy, Reply, Sample, SampleRequest
from fairmem.policy.cassette import request_key
from fairmem.policy.render import plain_text
from fairmem.trace import CallFailure, StopReason

_LISTEN = 1.0
"""Seconds of a wait for calls. A Ctrl-C that comes as a wait begins is seen when it ends, and without end never."""


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of the JSON-lines file at `path`; a torn last line is cut off the file. [] if there is no file.

    Raises:
        CheckpointError: a line before the last is damaged.
    """
    if not path.is_file():
        return []
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    if len(whole) < len(raw):
        os.truncate(path, len(whole))  # Not written anew: a kill in the midst of that would lose every line.
    found: list[dict[str, Any]] = []
    for number, line in enumerate(whole.decode("utf-8", "replace").split("\n"), start=1):
        if line:
            try:
                record = json.loads(line)
            except ValueError as error:
                raise CheckpointError(f"{path}: line {number} is damaged: {error}; delete the file") from error
            if not isinstance(record, dict):
                raise CheckpointError(f"{path}: line {number} is not an object; delete the file")
            found.append(record)  # pyright: ignore[reportUnknownArgumentType]
    return found


class RecordedCalls:
    """A policy that answers from its file where it can, and otherwise asks `policy` and writes the reply down.

    Attributes:
        asked: Calls made of `policy` since this was opened; `replayed`: calls answered from the file.
        failures: Calls that failed.
        prompt_tokens: Of all calls, replayed ones included; `reply_tokens` likewise.
        asked_prompt_tokens: Of the calls made since this was opened; `asked_reply_tokens` likewise.
    """

    def __init__(
        self,
        policy: Policy,
        path: Path | None = None,
        *,
        concurrency: int = 16,
        batch: int = 64,
        identity: str = "",
        progress: Callable[[RecordedCalls], None] | None = None,
    ) -> None:
        """Read `path` if it is there; None keeps the calls in memory only.

        Args:
            policy: What to ask.
            path: File of the replies; several policies may share it.
            concurrency: Most requests in flight at an endpoint.
            batch: Most requests of one batch of a model run here.
            identity: What else decides a reply, such as a stamp of the weights.
            progress: Called after every reply (endpoints) or batch.
        """
        self.policy = policy
        self.name = policy.name
        self.family: Family = policy.family
        self.asked = self.replayed = self.failures = 0
        self.prompt_tokens = self.reply_tokens = 0
        self.asked_prompt_tokens = self.asked_reply_tokens = 0
        self._spent: dict[tuple[str, str], tuple[int, int]] = {}
        self._path, self._concurrency, self._batch, self._progress = path, concurrency, batch, progress
        self._identity = f"{policy.name} {identity}"
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, Any]] = {}
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._kept = {str(line.get("request")): line for line in read_lines(path)}

    @property
    def calls(self) -> int:
        """All calls, replayed ones included."""
        return self.asked + self.replayed

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """Replies from the file, or asked now, in order; equal requests are asked once."""
        keys = [self._key(request) for request in requests]
        unknown = {key: request for key, request in zip(keys, requests, strict=True) if key not in self._kept}
        failed = self._ask(unknown)
        replies: list[Reply] = []
        for key, request in zip(keys, requests, strict=True):
            self.replayed += key not in unknown
            if key in failed:
                replies.append(failed[key])
                continue
            line = self._kept[key]
            prompt, text = plain_text(request.prompt), str(line["text"])
            spent = (int(line["prompt_tokens"]), int(line["reply_tokens"]))
            self.prompt_tokens += spent[0]
            self.reply_tokens += spent[1]
            self._spent[prompt, text] = spent
            replies.append(Sample(prompt, (), (), (), text, StopReason(line["stop"]), spent))
        return replies

    def spent(self, prompt: str, text: str) -> tuple[int, int]:
        """Tokens of a prompt, as plain text, and of the reply to it, as `sample` gave it; counted where it did not."""
        known = self._spent.get((prompt, text))
        return known if known is not None else (self.count_tokens(prompt), self.count_tokens(text))

    def seconds(self, request: SampleRequest) -> float | None:
        """Seconds the reply to `request` took: of its own call at an endpoint, its share of the batch otherwise."""
        return self._number(request, "seconds")

    def tokens(self, request: SampleRequest) -> tuple[int | None, int | None]:
        """Tokens of the prompt and of the reply to `request`; None if it failed."""
        prompt, reply = self._number(request, "prompt_tokens"), self._number(request, "reply_tokens")
        return (None if prompt is None else int(prompt), None if reply is None else int(reply))

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Scores by the policy; they are not recorded."""
        return self.policy.score(prompt_ids, ids)

    def count_tokens(self, text: str) -> int:
        """The policy's count."""
        return self.policy.count_tokens(text)

    def close(self) -> None:
        """Close the policy."""
        self.policy.close()

    def _key(self, request: SampleRequest) -> str:
        return f"{self._identity} {request_key(request)}"

    def _number(self, request: SampleRequest, name: str) -> float | None:
        line = self._kept.get(self._key(request))
        return None if line is None else float(line[name])

    def _ask(self, unknown: dict[str, SampleRequest]) -> dict[str, CallFailure]:
        """Ask, keep what was answered, and return what failed."""
        failed: dict[str, CallFailure] = {}
        if isinstance(self.policy, OpenAIPolicy) and unknown:

            def one(item: tuple[str, SampleRequest]) -> None:
                started = time.perf_counter()
                reply = self.policy.sample([item[1]])[0]
                self._keep([item], [reply], time.perf_counter() - started, failed)

            pool = ThreadPoolExecutor(min(self._concurrency, len(unknown)), "fairmem-eval")
            try:
                left = {pool.submit(one, item) for item in unknown.items()}
                while left:
                    done, left = wait(left, _LISTEN, FIRST_EXCEPTION)
                    for call in done:
                        call.result()
            finally:
                # After Ctrl-C calls in flight are left alone: at an endpoint that hangs they would hold the user for
                # minutes. What has not begun is dropped.
                pool.shutdown(wait=False, cancel_futures=True)
            return failed
        items = list(unknown.items())
        for start in range(0, len(items), self._batch):
            part = items[start : start + self._batch]
            began = time.perf_counter()
            replies = self.policy.sample([request for _, request in part])
            self._keep(part, replies, (time.perf_counter() - began) / len(part), failed)
        return failed

    def _keep(
        self,
        items: Sequence[tuple[str, SampleRequest]],
        replies: Sequence[Reply],
        seconds: float,
        failed: dict[str, CallFailure],
    ) -> None:
        lines: list[dict[str, Any]] = []
        with self._lock:
            for (key, request), reply in zip(items, replies, strict=True):
                self.asked += 1
                if isinstance(reply, CallFailure):
                    self.failures += 1
                    failed[key] = reply
                    continue
                prompt, said = reply.usage or (
                    len(reply.prompt_ids) or self.count_tokens(plain_text(request.prompt)),
                    len(reply.ids) or self.count_tokens(reply.text),
                )
                self.asked_prompt_tokens += prompt
                self.asked_reply_tokens += said
                line = {
                    "request": key,
                    "role": request.tag,
                    "text": reply.text,
                    "stop": reply.stop.value,
                    "prompt_tokens": prompt,
                    "reply_tokens": said,
                    "seconds": round(seconds, 4),
                }
                self._kept[key] = line
                lines.append(line)
            if self._path is not None and lines:
                with self._path.open("a", encoding="utf-8") as out:
                    out.writelines(json.dumps(line) + "\n" for line in lines)
            if self._progress is not None:
                self._progress(self)
