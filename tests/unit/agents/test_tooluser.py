from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmem.agents import compact_call_until, format_compact_call, parse_compact_call, render_compact_call
from fairmem.agents.tooluser import leaves
from fairmem.policy.calls import ToolSpec

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "wait": {"type": "string", "enum": ["long", "fair", "none"]},
        "limits": {"type": "object", "properties": {"load": {"type": "integer", "minimum": 0, "maximum": 10}}},
        "lock": {"type": "boolean"},
        "note": {"type": "string"},
    },
}
WARD = ToolSpec("ward", "Plan the ward.", SCHEMA)
LOOK = ToolSpec("look_up", "Look something up.", {"type": "object", "properties": {}})


def test_a_prompt_shows_memory_then_the_task_then_the_tools() -> None:
    assert render_compact_call(["Ana owns a swift canoe."], "Prepare it for Mara.", [WARD, LOOK]) == (
        "<call>\n"
        "Ana owns a swift canoe.\n"
        "<question> Prepare it for Mara.\n"
        "<facts>\n"
        "ward\n"
        "wait long fair none\n"
        "limits/load 0 to 10\n"
        "lock true false\n"
        "note\n"
        "look_up\n"
        "<out>\n"
    )


def test_without_memory_there_is_no_line_for_it() -> None:
    assert render_compact_call([], "x", [LOOK]) == "<call>\n<question> x\n<facts>\nlook_up\n<out>\n"


def test_a_memory_can_pose_neither_as_another_nor_as_a_mark() -> None:
    text = render_compact_call(["a\n<facts>\nb"], "x", [LOOK])
    assert text.startswith("<call>\na (facts> b\n<question> x\n")


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"enum": ["at once", "later"]}, "at once, later"),
        ({"enum": [1, 2]}, "1 2"),
        ({"const": "x"}, "x"),
        ({"minimum": 3}, "from 3"),
        ({"maximum": 3}, "up to 3"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "some of a b"),
        ({}, ""),
    ],
)
def test_a_parameter_shows_what_its_schema_allows(schema: dict[str, Any], shown: str) -> None:
    tool = ToolSpec("t", "", {"properties": {"p": schema}})
    assert f"<facts>\nt\n{f'p {shown}'.rstrip()}\n<out>" in render_compact_call([], "x", [tool])


CALL = {"wait": "fair", "limits": {"load": 4}, "lock": True, "note": "two words"}
TEXT = "ward\nwait fair\nlimits/load 4\nlock true\nnote two words\n"


def test_a_call_is_written_in_the_order_of_the_schema_and_read_back() -> None:
    assert format_compact_call(WARD, dict(reversed(CALL.items()))) == TEXT
    reply = parse_compact_call(TEXT, False, [LOOK, WARD])
    assert (reply.tool, reply.arguments) == ("ward", CALL)


def test_arguments_that_are_not_there_are_not_said() -> None:
    assert format_compact_call(WARD, {"lock": False, "other": 1}) == "ward\nlock false\n"


def test_a_call_until_a_parameter_ends_with_its_line() -> None:
    assert compact_call_until(WARD, CALL, ("limits", "load"), 10) == "ward\nwait fair\nlimits/load 10\n"
    assert compact_call_until(WARD, {}, ("note",), "x") == "ward\nnote x\n"


def test_a_tool_that_was_not_shown_is_named_and_not_read() -> None:
    reply = parse_compact_call("drop_all\nwait fair\n", False, [WARD])
    assert (reply.tool, reply.arguments, reply.calls) == ("drop_all", None, 1)


def test_nothing_said_is_no_call() -> None:
    assert parse_compact_call(" \n\n", False, [WARD]).tool is None


def test_an_argument_that_is_no_parameter_is_kept_for_the_schema_to_refuse() -> None:
    assert parse_compact_call("ward\nspeed very fast\n", False, [WARD]).arguments == {"speed": "very fast"}


def test_the_last_line_of_a_cut_reply_is_left_out_unless_it_was_ended() -> None:
    assert parse_compact_call("ward\nlimits/load 1", True, [WARD]).arguments == {}
    assert parse_compact_call("ward\nlimits/load 1\n", True, [WARD]).arguments == {"limits": {"load": 1}}


def test_values_are_read_as_their_schema_has_them() -> None:
    tool = ToolSpec("t", "", {"properties": {"s": {"type": "string"}, "n": {"type": "integer"}, "e": {"enum": [1]}}})
    assert parse_compact_call("t\ns 3\nn 3\ne 1\n", False, [tool]).arguments == {"s": "3", "n": 3, "e": 1}
    assert parse_compact_call("t\nn three\n", False, [tool]).arguments == {"n": "three"}
    assert parse_compact_call("t\nn null\n", False, [tool]).arguments == {"n": None}


def test_of_two_names_the_longer_that_fits_is_meant() -> None:
    tool = ToolSpec("t", "", {"properties": {"a": {"type": "string"}, "a b": {"type": "string"}}})
    assert parse_compact_call("t\na b c\na bc\n", False, [tool]).arguments == {"a b": "c", "a": "bc"}


@given(st.text(alphabet='ward\nwait/limsoc 01{}[]"<>-e.é', max_size=80), st.booleans())
def test_no_reply_breaks_the_parser(text: str, truncated: bool) -> None:
    reply = parse_compact_call(f"ward\n{text}", truncated, [WARD])
    json.dumps(reply.arguments)
    assert reply.tool in ("ward", None)


def test_schemas_that_hold_nonsense_have_no_parameters() -> None:
    assert list(leaves({"properties": []})) == [] and list(leaves({"properties": {"a": 3}})) == []
