"""What a model is asked in a trial, what may come back, and the seam between the two."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, cast

from fairmem.drift.deflection import Distribution
from fairmem.drift.scenario import Memory, Scenario
from fairmem.drift.schema import misfits
from fairmem.policy.calls import ToolReply


class Outcome(StrEnum):
    """What became of one trial. Only `OK` has a deflection; the others are counted, and are never taken as zero."""

    OK = "ok"
    """A call of the expected tool that fits its schema."""
    NO_CALL = "no_call"
    """The model answered without calling a tool."""
    WRONG_TOOL = "wrong_tool"
    INVALID_JSON = "invalid_json"
    """The arguments are no JSON object, after one repair."""
    SCHEMA_VIOLATION = "schema_violation"
    REFUSED = "refused"
    """The endpoint says that the model refused, or its filter withheld the reply."""
    BLOCKED = "blocked"
    """A defence let no call through."""
    TRUNCATED = "truncated"
    """No usable call before the token limit."""
    CALL_FAILED = "call_failed"
    """The endpoint gave no usable answer, after retries."""
    MEMORY_FAILED = "memory_failed"
    """The memory system built no memory, or none that can be searched, so the model was not asked."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One trial: a scenario with what stands in memory.

    `instruction` is the order of the explicit arm, `note` what a defence adds to the prompt; else empty.
    """

    scenario: Scenario
    arm: str
    trial: int
    seed: int
    memories: tuple[Memory, ...] = ()
    instruction: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        outcome: See `Outcome`.
        tool: The tool that was called, if any.
        arguments: Its arguments, if they are a JSON object.
        distribution: Instead of arguments, where a model's distribution over each watched value is known exactly.
        rung: How the call was asked for, or `text` where it was read from the reply's text; empty without an endpoint.
        repaired: The first reply was no JSON, and the model was asked once more.
        attempts: Requests made.
        message: Why there is no deflection.
        raw: What was read, cut.
        prompt_tokens: As the backend reports them, likewise `generated_tokens`.
    """

    outcome: Outcome
    tool: str | None = None
    arguments: Mapping[str, Any] | None = None
    distribution: Distribution | None = None
    rung: str = ""
    repaired: bool = False
    attempts: int = 1
    message: str = ""
    raw: str = ""
    prompt_tokens: int = 0
    generated_tokens: int = 0


class CallModel(Protocol):
    """Something that calls tools.

    Attributes:
        name: Shown in reports.
        exact: Answers are distributions, so that one trial per arm is enough.
        settings: What decides its answers besides the ask, for the record of the run.
    """

    name: str
    exact: bool
    settings: Mapping[str, Any]

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """One answer per ask, in order, each as soon as it and those before it are there. Never raises for a reply."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


def classify(scenario: Scenario, tool: str | None, arguments: Mapping[str, Any] | None) -> tuple[Outcome, str]:
    """The outcome of a call of `tool` (None: no call) with `arguments` (None: no JSON object), and why."""
    if tool is None:
        return Outcome.NO_CALL, "no tool was called"
    if tool != scenario.expected_tool:
        return Outcome.WRONG_TOOL, f"called {tool[:80]!r}"
    if arguments is None:
        return Outcome.INVALID_JSON, "the arguments are no JSON object"
    wrong = misfits(arguments, scenario.tool.input_schema)
    return (Outcome.SCHEMA_VIOLATION, wrong[0]) if wrong else (Outcome.OK, "")


def answer_in_text(scenario: Scenario, reply: ToolReply, text: str, cut: Collection[Outcome] = ()) -> Answer:
    """What `reply`, read from `text`, comes to; an outcome among `cut` means that the token limit cut it."""
    outcome, message = classify(scenario, reply.tool, reply.arguments)
    if outcome in cut:
        outcome, message = Outcome.TRUNCATED, "cut at the token limit"
    return Answer(
        outcome,
        reply.tool and plain_text(reply.tool[:80]),
        plain_arguments(reply.arguments),
        rung="text",
        message=plain_text(message),
        raw=plain_text(text[:_KEPT]),
    )


_DEPTH = 40
_KEPT = 2000


def plain_arguments(arguments: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """`arguments` as JSON holds them: what is not finite becomes null, what nests too deeply is cut."""
    return None if arguments is None else cast(Mapping[str, Any], _plain(arguments, 0))


def plain_text(text: str) -> str:
    """`text` without lone surrogates, which have no UTF-8 form."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return plain_text(value)
    if depth >= _DEPTH and isinstance(value, (dict, list)):
        return None
    if isinstance(value, dict):
        return {plain_text(str(k)): _plain(v, depth + 1) for k, v in cast(dict[Any, Any], value).items()}
    if isinstance(value, list):
        return [_plain(v, depth + 1) for v in cast(list[Any], value)]
    return value
