from __future__ import annotations

import json
import random
from typing import Any

import pytest

from fairmem.policy.calls import (
    ToolReply,
    ToolSpec,
    loads,
    read_call_in_text,
    read_tool_reply,
    text_instruction,
    tool_fields,
    wire_names,
)
from fairmem.trace import CallFailure, FailureKind

TIMER = ToolSpec("kitchen/timer", "Set it.", {"$schema": "x", "type": "object", "properties": {"minutes": {}}})
OTHER = ToolSpec("kitchen_timer", "Another.", {"type": "object"})
TOOLS = (TIMER, OTHER)


def body(message: dict[str, Any], finish: str = "stop", **fields: Any) -> str:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], **fields})


def called(name: str, arguments: Any) -> dict[str, Any]:
    return {"content": None, "tool_calls": [{"type": "function", "function": {"name": name, "arguments": arguments}}]}


def read(text: str) -> ToolReply:
    reply = read_tool_reply(text, TOOLS)
    assert isinstance(reply, ToolReply), reply
    return reply


def test_names_are_made_fit_for_endpoints_and_stay_apart() -> None:
    assert wire_names(TOOLS) == {"kitchen/timer": "kitchen_timer", "kitchen_timer": "kitchen_timer_2"}
    assert len(wire_names([ToolSpec("x" * 90, "", {})])["x" * 90]) == 64


def test_each_rung_has_its_own_fields() -> None:
    named = tool_fields(TOOLS, "named", "kitchen/timer")
    assert named["tool_choice"] == {"type": "function", "function": {"name": "kitchen_timer"}}
    assert named["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {"minutes": {}}}
    assert [tool_fields(TOOLS, rung, "kitchen/timer").get("tool_choice") for rung in ("required", "auto", "text")] == [
        "required",
        "auto",
        None,
    ]
    assert '"kitchen/timer"' in text_instruction(TOOLS)


def test_a_call_is_read_with_its_own_name_and_usage() -> None:
    reply = read(body(called("kitchen_timer", '{"minutes": 4}'), usage={"prompt_tokens": 7, "completion_tokens": True}))
    assert (reply.tool, reply.arguments, reply.calls) == ("kitchen/timer", {"minutes": 4}, 1)
    assert (reply.prompt_tokens, reply.generated_tokens, reply.in_text) == (7, 0, False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [('{"a": 1}', {"a": 1}), ({"a": 1}, {"a": 1}), ("", {}), ("[1]", None), ('{"a"', None), (None, None), (3, None)],
)
def test_arguments_are_an_object_or_nothing(arguments: Any, expected: Any) -> None:
    assert read(body(called("kitchen_timer", arguments))).arguments == expected


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ('{"tool": "kitchen/timer", "arguments": {"minutes": 4}}', "kitchen/timer", {"minutes": 4}),
        ('Sure {x}: ```json\n{"name": "KITCHEN_TIMER", "parameters": {"minutes": 4}}```', "kitchen/timer", None),
        ('{"tool": "unknown", "arguments": {}}', "unknown", {}),
        ('{"tool": "kitchen/timer", "arguments": {"minutes": 4', "kitchen/timer", None),
        ("I would rather not.", None, None),
        ('{"minutes": 4}', None, None),
    ],
)
def test_a_call_in_the_text_is_found(text: str, tool: str | None, arguments: Any) -> None:
    reply = read(body({"content": text}))
    if text.startswith("Sure"):
        # Both tools answer to that name in another case; the later of the two wins, and its arguments are read.
        assert reply.tool == "kitchen_timer" and reply.arguments == {"minutes": 4}
        return
    assert (reply.tool, reply.arguments, reply.in_text) == (tool, arguments, tool is not None)


def test_refusals_and_cut_replies_say_so() -> None:
    assert read(body({"content": None, "refusal": "No."})).refused
    assert read(body({"content": ""}, "content_filter")).refused
    assert read(body({"content": "I"}, "length")).truncated


@pytest.mark.parametrize("text", ["", "nope", "[]", "{}", '{"choices": []}', '{"choices": [3]}', '{"choices": [{}]}'])
def test_what_is_no_completion_is_a_failure(text: str) -> None:
    reply = read_tool_reply(text, TOOLS)
    assert isinstance(reply, CallFailure) and reply.kind is FailureKind.BAD_RESPONSE


def test_numbers_that_json_has_no_form_for_become_null_and_deep_nesting_nothing() -> None:
    assert loads('{"a": NaN, "b": -Infinity}') == {"a": None, "b": None}
    assert loads("[" * 5000 + "]" * 5000) is None
    assert loads("1" * 5000) == float("inf")


def test_mutated_replies_are_always_a_reply_or_a_failure() -> None:
    rng = random.Random(11)
    seeds = [
        body(called("kitchen_timer", '{"minutes": 4, "note": "a\\u00e9"}'), usage={"prompt_tokens": 3}),
        body({"content": 'Yes: {"tool": "kitchen_timer", "arguments": {"minutes": [1, {"x": null}]}}'}),
        body({"content": None, "function_call": {"name": "kitchen_timer", "arguments": "{}"}}, "length"),
    ]
    alphabet = '{}[]",:\\ tnu0-1e9NaI\ud800\x00'
    for _ in range(4000):
        text = list(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(text))
            text[place : place + rng.randint(0, 3)] = rng.choices(alphabet, k=rng.randint(0, 3))
        mutated = "".join(text)
        assert isinstance(read_tool_reply(mutated, TOOLS), (ToolReply, CallFailure))
        assert isinstance(read_call_in_text(mutated, TOOLS), ToolReply)
