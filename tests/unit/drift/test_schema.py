from __future__ import annotations

import random
from typing import Any

import pytest

from fairmem.drift.schema import MISSING, misfits, parameter, value_at

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["n"],
    "properties": {
        "n": {"type": "integer", "minimum": 1, "maximum": 9},
        "x": {"type": ["number", "null"], "exclusiveMinimum": 0, "multipleOf": 0.5},
        "who": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "maxItems": 2},
        "deep": {"type": "object", "properties": {"a/b": {"type": "boolean"}}},
        "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n": 3}, ""),
        ({"n": 3.0, "x": None}, ""),
        ({"n": 3, "x": 1.5, "who": ["a", "b"], "deep": {"a/b": True}, "either": False}, ""),
        ({}, "'n' is missing"),
        ({"n": True}, "not of type integer"),
        ({"n": 3.5}, "not of type integer"),
        ({"n": 10}, "breaks maximum 9"),
        ({"n": 1, "x": 0}, "breaks exclusiveMinimum 0"),
        ({"n": 1, "x": 0.7}, "no multiple of 0.5"),
        ({"n": 1, "x": float("nan")}, "not a finite number"),
        ({"n": 1, "who": ["c"]}, '/who/0: "c" is none of ["a", "b"]'),
        ({"n": 1, "who": ["a", "a", "a"]}, "above maxItems 2"),
        ({"n": 1, "deep": {"a/b": 1}}, "/deep/a/b: 1 is not of type boolean"),
        ({"n": 1, "either": 3}, "fits none of anyOf"),
        ({"n": 1, "new": 3}, "'new' is not a parameter"),
        ([], "not of type object"),
    ],
)
def test_a_misfit_is_named_with_its_place(arguments: Any, said: str) -> None:
    found = misfits(arguments, SCHEMA)
    assert (not said and not found) or any(said in line for line in found), found


def test_pointers_are_unescaped_and_reach_into_objects() -> None:
    assert parameter(SCHEMA, "/deep/a~1b") == {"type": "boolean"}
    assert parameter(SCHEMA, "/deep/b") is None
    assert value_at({"deep": {"a/b": False}}, "/deep/a~1b") is False
    assert value_at({"deep": 3}, "/deep/a~1b") is MISSING


def test_no_value_and_no_schema_can_raise() -> None:
    rng = random.Random(5)

    def junk(depth: int) -> Any:
        options: list[Any] = [None, True, -3, 2.5, "a", "", [], {}, float("inf"), "type", ["a", 1]]
        if depth and rng.random() < 0.6:
            names = ["type", "enum", "minimum", "items", "properties", "required", "anyOf", "n", "who", "multipleOf"]
            return {rng.choice(names): junk(depth - 1) for _ in range(3)}
        return rng.choice(options)

    for _ in range(3000):
        schema = junk(4)
        misfits(junk(3), schema if isinstance(schema, dict) else {})
        misfits(junk(3), SCHEMA)
