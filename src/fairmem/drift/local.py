"""Models in this process, and any other policy that writes text.

`ScoredModel` reads the model's own distribution over each watched value: the beginning of the call up to that value is
given, the other arguments being those of the scenario's reference call, and every candidate is scored. Nothing is
sampled, so one trial per arm has no noise. `TextModel` samples a call written as text. Models of the `compact` family
are asked, and answer, in its own lines (`fairmem.drift.compact_form`), all others in JSON.

Simplified: tools are described in the prompt rather than by the tool format of a chat template. In the compact form a
value is conditional on the arguments before it alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from fairmem.drift.answer import Answer, Ask, Outcome, answer_in_text, plain_text
from fairmem.drift.closed_form import put
from fairmem.drift.compact_form import CompactForm
from fairmem.drift.deflection import scored_values
from fairmem.drift.prompt import MEMORY_HEADING, messages, tool_specs
from fairmem.policy import Policy, Prompt, SampleRequest
from fairmem.policy.calls import read_call_in_text, text_instruction
from fairmem.trace import CallFailure, StopReason

_MARK = "\ue000value\ue000"
"""Stands for the watched value while the call is written; from a private use area, so that no argument holds it."""


class Scorer(Protocol):
    """A policy that can give the probability of a given text, as `fairmem.policy.hf.HFPolicy`."""

    name: str
    context: int | None

    def token_ids(self, prompt: Prompt, reply: str = "") -> tuple[int, ...]:
        """Token ids of the prompt with the beginning of a reply."""
        ...

    def score_after(self, prefix: Sequence[int], rows: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Log-probabilities of the tokens of each row after one prefix."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


class Form(Protocol):
    """How a model here is told of tools and writes calls: as JSON, or in the lines of small models."""

    name: str

    def prompt(self, ask: Ask) -> Prompt:
        """The messages of a trial."""
        ...

    def call(self, ask: Ask, pointer: str, value: Any) -> str:
        """The text of a call, or of its beginning, that ends with `value` at `pointer` and what closes it."""
        ...

    def read(self, ask: Ask, text: str, *, truncated: bool = False) -> Answer:
        """The answer in a reply."""
        ...

    def parts(self, ask: Ask) -> list[tuple[str, str]]:
        """(part, its text) in the order of the prompt: system, schema, task, and `memory N` for each entry."""
        ...


class JsonForm:
    """Calls as JSON, tools described in the prompt."""

    name = "json"

    def prompt(self, ask: Ask) -> Prompt:
        """See `fairmem.drift.prompt.messages`."""
        return messages(ask, in_text=True)

    def call(self, ask: Ask, pointer: str, value: Any) -> str:
        """See `call_text`."""
        return call_text(ask, pointer, value)

    def read(self, ask: Ask, text: str, *, truncated: bool = False) -> Answer:
        """See `read_text`."""
        return read_text(ask, text, truncated=truncated)

    def parts(self, ask: Ask) -> list[tuple[str, str]]:
        """See `Form`."""
        found = [("system", ask.scenario.system), ("schema", text_instruction(tool_specs(ask.scenario)))]
        if ask.memories:
            found.append(("heading", MEMORY_HEADING))
        found += [(f"memory {i}", memory.text) for i, memory in enumerate(ask.memories)]
        return [*found, ("task", ask.scenario.task)]


def form_of(policy: object) -> Form:
    """The form that `policy` understands: compact for small models in this process, else JSON."""
    compact = getattr(policy, "family", "instruct") == "compact"
    # Scripts and recordings bear a family too, and are asked in JSON as endpoints are.
    return CompactForm() if compact and hasattr(policy, "score_after") else JsonForm()


class ScoredModel:
    """Exact expectations of the local model `policy`.

    The probability of a value is that of its text and of what closes the call (or its line), normalised over the
    candidates of `fairmem.drift.deflection.scored_values`: it is conditional on the call having one of these values.
    """

    exact = True

    def __init__(self, policy: Scorer) -> None:
        self.name = policy.name
        self.settings: Mapping[str, Any] = {"values": "scored"}
        self.form = form_of(policy)
        self.policy = policy
        self._last: tuple[str, Prompt, Answer] | None = None

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """The value distributions for each ask."""
        return (self._one(ask) for ask in asks)

    def close(self) -> None:
        """Close the policy."""
        self.policy.close()

    def _one(self, ask: Ask) -> Answer:
        prompt = self.form.prompt(ask)
        # none2 has the prompt of none, and nothing here is drawn.
        if self._last is None or self._last[:2] != (ask.scenario.id, prompt):
            self._last = (ask.scenario.id, prompt, self._scored(ask, prompt))
        return self._last[2]

    def _scored(self, ask: Ask, prompt: Prompt) -> Answer:
        targets = ask.scenario.targets
        values = [scored_values(ask.scenario, target) for target in targets]
        rows = [
            self.policy.token_ids(prompt, self.form.call(ask, target.pointer, value))
            for target, candidates in zip(targets, values, strict=True)
            for value in candidates
        ]
        longest = max(len(row) for row in rows)
        if self.policy.context is not None and longest > self.policy.context:
            message = f"the prompt has {longest} tokens and the model's context is {self.policy.context}"
            return Answer(Outcome.CALL_FAILED, message=f"prompt_too_long: {message}", prompt_tokens=longest)
        # Tokens may span the border between prefix and value, so texts part where their tokens do. What the candidates
        # of one target share beyond that adds the same to all of them, and falls out when they are normalised.
        shared = shared_length(rows)
        scored = self.policy.score_after(rows[0][:shared], [row[shared:] for row in rows])
        logs = [math.fsum(one) for one in scored]
        if not all(math.isfinite(log) for log in logs):
            message = "bad_response: the model gives log-probabilities that are not numbers"
            return Answer(Outcome.CALL_FAILED, message=message)
        found: dict[str, list[tuple[Any, float]]] = {}
        start = 0
        for target, candidates in zip(targets, values, strict=True):
            found[target.pointer] = _normalised(candidates, logs[start : start + len(candidates)])
            start += len(candidates)
        return Answer(Outcome.OK, ask.scenario.expected_tool, distribution=found, prompt_tokens=longest)


def _normalised(values: Sequence[Any], logs: Sequence[float]) -> list[tuple[Any, float]]:
    top = max(logs)
    weights = [math.exp(log - top) for log in logs]
    total = math.fsum(weights)
    return [(value, weight / total) for value, weight in zip(values, weights, strict=True)]


def call_text(ask: Ask, pointer: str, value: Any) -> str:
    """The whole call as JSON, with `value` at `pointer`, which comes last."""
    arguments = dict(ask.scenario.reference_call)
    top = pointer.split("/")[1].replace("~1", "/").replace("~0", "~")
    last = arguments.pop(top, None)
    if isinstance(last, dict):
        arguments[top] = last
    put(arguments, pointer, _MARK)
    text = json.dumps({"tool": ask.scenario.expected_tool, "arguments": arguments}, ensure_ascii=False)
    return text.replace(json.dumps(_MARK, ensure_ascii=False), json.dumps(value, ensure_ascii=False))


def shared_length(rows: Sequence[Sequence[int]]) -> int:
    """Length of the beginning that all rows have in common, at most one token short of the shortest."""
    least = min(len(row) for row in rows) - 1
    for i in range(least):
        if len({row[i] for row in rows}) > 1:
            return i
    return least


class TextModel:
    """Calls written into their replies by any `policy`."""

    exact = False

    def __init__(self, policy: Policy, *, temperature: float = 1.0, max_tokens: int = 512, wave: int = 16) -> None:
        self.name = policy.name
        self.settings: Mapping[str, Any] = {"temperature": temperature, "max_tokens": max_tokens}
        self.form = form_of(policy)
        self.policy = policy
        self._wave = wave

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """One answer per ask, sampled `wave` at a time."""
        for start in range(0, len(asks), self._wave):
            wave = asks[start : start + self._wave]
            replies = self.policy.sample(
                [
                    SampleRequest(
                        self.form.prompt(ask),
                        self.settings["max_tokens"],
                        temperature=self.settings["temperature"],
                        seed=ask.seed,
                    )
                    for ask in wave
                ]
            )
            for ask, reply in zip(wave, replies, strict=True):
                if isinstance(reply, CallFailure):
                    message = plain_text(f"{reply.kind}: {reply.message}")
                    yield Answer(Outcome.CALL_FAILED, rung="text", attempts=reply.attempts, message=message)
                else:
                    answer = self.form.read(ask, reply.text, truncated=reply.stop is StopReason.LENGTH)
                    # Of an endpoint's replies, whose ids are not told, the tokens are not known either.
                    yield replace(answer, prompt_tokens=len(reply.prompt_ids), generated_tokens=len(reply.ids))

    def close(self) -> None:
        """Close the policy."""
        self.policy.close()


def read_text(ask: Ask, text: str, *, truncated: bool = False) -> Answer:
    """The answer in a reply that should be one call as JSON."""
    reply = read_call_in_text(text, tool_specs(ask.scenario))
    return answer_in_text(ask.scenario, reply, text, (Outcome.NO_CALL, Outcome.INVALID_JSON) if truncated else ())
