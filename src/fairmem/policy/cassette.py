"""Record a policy's replies in a file and play them back without it.

The file is JSON lines: a header with the recorded policy's name and family, then one line per sample, keyed
by a hash of what decides the reply (prompt, token limit, temperature, seed; not the tag), and one per token
count. Failures are not recorded: another run may have better luck, and playback then says `NOT_RECORDED`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from fairmem.errors import ConfigError, DataError, ModelError
from fairmem.policy.base import Family, Policy, PolicyStats, Reply, Sample, SampleRequest
from fairmem.policy.render import approximate_tokens
from fairmem.trace import CallFailure, FailureKind, StopReason

CASSETTE_FORMAT = "fairmem-cassette"
CASSETTE_VERSION = 1


def request_key(request: SampleRequest) -> str:
    """Hash of what decides the reply to `request`."""
    content = [
        [[m.role, m.content] for m in request.prompt],
        request.max_tokens,
        float(request.temperature),
        request.seed,
        *([tool.name, tool.schema] for tool in request.tools),
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


class CassettePolicy:
    """Plays `path`; with `policy`, asks it for what is not in the file yet and appends the replies.

    Attributes:
        stats: Work since the cassette was opened, played back or not; `last_call`: of the latest `sample`.
    """

    def __init__(self, path: str | Path, policy: Policy | None = None) -> None:
        """Read `path`, or start it if a policy to record is given.

        Raises:
            DataError: no such file and nothing to record, or the file is not a cassette or is damaged.
            ConfigError: the file was recorded from another policy than `policy`.
        """
        self.name: str
        self.family: Family
        self._path = Path(path)
        self._policy = policy
        self._samples: dict[str, Sample] = {}
        self._counts: dict[str, int] = {}
        self.stats = PolicyStats()
        self.last_call = PolicyStats()
        if self._path.is_file():
            self.name, self.family = self._read()
            if policy is not None and (policy.name, policy.family) != (self.name, self.family):
                raise ConfigError(
                    f"{self._path}: recorded from {self.name} ({self.family}), cannot go on with {policy.name} "
                    f"({policy.family}); use another file"
                )
        elif policy is None:
            raise DataError(f"{self._path}: no such cassette; record one by opening it with a policy")
        else:
            self.name, self.family = policy.name, policy.family
            header = {"format": CASSETTE_FORMAT, "version": CASSETTE_VERSION, "name": self.name, "family": self.family}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._append([header])

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """Replies from the file, or recorded now; `NOT_RECORDED` failures for the rest."""
        start = time.perf_counter()
        keys = [request_key(request) for request in requests]
        unknown = {key: request for key, request in zip(keys, requests, strict=True) if key not in self._samples}
        replies: dict[str, Reply] = {}
        call = PolicyStats(requests=len(requests))
        if self._policy is not None and unknown:
            replies = dict(zip(unknown, self._policy.sample(list(unknown.values())), strict=True))
            new = {key: reply for key, reply in replies.items() if isinstance(reply, Sample)}
            self._append([_sample_line(key, sample) for key, sample in new.items()])
            self._samples.update(new)
            call.micro_batches = 1
        found: list[Reply] = []
        for key in keys:
            reply = self._samples.get(key) or replies.get(key) or _not_recorded(self._path)
            found.append(reply)
            if isinstance(reply, Sample):
                call.prompt_tokens += len(reply.prompt_ids)
                call.generated_tokens += len(reply.ids)
            else:
                call.failures += 1
        call.seconds = time.perf_counter() - start
        self.last_call = call
        self.stats.add(call)
        return found

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Scores by the recorded policy while it is there; they are not recorded.

        Raises:
            ModelError: when playing back.
        """
        if self._policy is None:
            raise ModelError(f"{self._path}: a cassette cannot score tokens; open the model it was recorded from")
        return self._policy.score(prompt_ids, ids)

    def count_tokens(self, text: str) -> int:
        """The recorded policy's count; for texts it was not asked about, an approximation (words and marks)."""
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if key not in self._counts and self._policy is not None:
            self._counts[key] = self._policy.count_tokens(text)
            self._append([{"text": key, "tokens": self._counts[key]}])
        return self._counts[key] if key in self._counts else approximate_tokens(text)

    def close(self) -> None:
        """Close the recorded policy."""
        if self._policy is not None:
            self._policy.close()

    def _append(self, lines: Sequence[Mapping[str, object]]) -> None:
        with self._path.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)

    def _read(self) -> tuple[str, Family]:
        """Read all lines; returns name and family of the header."""
        name, family = "", ""
        with self._path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    fields = json.loads(line)
                    if number == 1:
                        if (fields["format"], fields["version"]) != (CASSETTE_FORMAT, CASSETTE_VERSION):
                            raise ValueError(f"format {fields['format']!r} version {fields['version']!r}")
                        name, family = str(fields["name"]), fields["family"]
                    elif "tokens" in fields:
                        self._counts[str(fields["text"])] = int(fields["tokens"])
                    else:
                        self._samples[str(fields["request"])] = _sample_of(fields)
                except (ValueError, KeyError, TypeError) as error:
                    raise DataError(
                        f"{self._path}: line {number} is damaged or of no {CASSETTE_FORMAT} version "
                        f"{CASSETTE_VERSION} ({type(error).__name__}: {error}); delete it or record again"
                    ) from error
        for known in get_args(Family):
            if family == known:
                return name, known
        raise DataError(f"{self._path}: line 1 names family {family!r}, expected {' or '.join(get_args(Family))}")


def _not_recorded(path: Path) -> CallFailure:
    return CallFailure(kind=FailureKind.NOT_RECORDED, message=f"{path} has no reply to this request", attempts=0)


def _sample_line(key: str, sample: Sample) -> dict[str, object]:
    return {
        "request": key,
        "prompt_text": sample.prompt_text,
        "prompt_ids": sample.prompt_ids,
        "ids": sample.ids,
        "logprobs": sample.logprobs,
        "text": sample.text,
        "stop": sample.stop.value,
        **({"usage": sample.usage} if sample.usage is not None else {}),
    }


def _sample_of(fields: dict[str, Any]) -> Sample:
    return Sample(
        prompt_text=str(fields["prompt_text"]),
        prompt_ids=tuple(int(token) for token in fields["prompt_ids"]),
        ids=tuple(int(token) for token in fields["ids"]),
        logprobs=tuple(float(logprob) for logprob in fields["logprobs"]),
        text=str(fields["text"]),
        stop=StopReason(fields["stop"]),
        usage=(int(used[0]), int(used[1])) if (used := fields.get("usage")) else None,
    )
