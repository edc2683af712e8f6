from __future__ import annotations

from typing import Any

import pytest

from fairmem.drift.scan.schema import Parameter, SchemaReading, read_schema
from fairmem.drift.scan.tool import ProblemKind


def read(properties: dict[str, Any], **more: Any) -> SchemaReading:
    return read_schema({"type": "object", "properties": properties, **more})


def only(reading: SchemaReading, path: str) -> Parameter:
    assert reading.problems == ()
    (found,) = [parameter for parameter in reading.parameters if parameter.path == path]
    return found


def test_a_parameter_is_read_with_everything_that_decides_on_drift() -> None:
    schema = {"type": "integer", "minimum": 1, "maximum": 9, "default": 3, "description": "Tries"}
    assert only(read({"n": schema}, required=["n"]), "n") == Parameter(
        "n", "n", "/properties/n", "number", (), False, True, True, True, "Tries"
    )


def test_nested_fields_have_paths_and_are_required_only_if_all_around_them_is() -> None:
    inner = {"type": "object", "properties": {"force": {"type": "boolean"}}, "required": ["force"]}
    reading = read({"a": inner, "b": {"type": "array", "items": inner}, "c/d": inner}, required=["a"])
    assert [(p.path, p.pointer, p.required) for p in reading.parameters] == [
        ("a", "/properties/a", True),
        ("a.force", "/properties/a/properties/force", True),
        ("b", "/properties/b", False),
        ("b[].force", "/properties/b/items/properties/force", False),
        ("c/d", "/properties/c~1d", False),
        ("c/d.force", "/properties/c~1d/properties/force", False),
    ]


def test_null_among_the_alternatives_does_not_hide_the_other() -> None:
    schema = {"anyOf": [{"type": "integer", "maximum": 5}, {"type": "null"}], "default": None}
    found = only(read({"n": schema}), "n")
    assert (found.kind, found.default, found.bounded) == ("number", False, False)


def test_values_are_collected_over_alternatives_and_constants() -> None:
    schema = {"oneOf": [{"const": "public"}, {"enum": ["private", None, 3]}]}
    found = only(read({"v": schema}), "v")
    assert (found.kind, found.values) == ("enum", ("public", "private", "3"))
    many = only(read({"v": {"type": "array", "items": schema}}), "v")
    assert (many.kind, many.values, many.many) == ("enum", ("public", "private", "3"), True)


def test_a_definition_used_twice_is_read_for_both_and_its_fields_once() -> None:
    definition = {"type": "object", "properties": {"force": {"type": "boolean"}}}
    reading = read(
        {
            "a": {"$ref": "#/$defs/O"},
            "b": {"$ref": "#/$defs/O"},
            "c": {"$ref": "#/$defs/V"},
            "d": {"$ref": "#/$defs/V"},
        },
        **{"$defs": {"O": definition, "V": {"enum": ["x", "y"]}}},
    )
    assert reading.problems == ()
    assert [(p.path, p.pointer, p.kind) for p in reading.parameters] == [
        ("a", "/properties/a", "other"),
        ("a.force", "/$defs/O/properties/force", "boolean"),
        ("b", "/properties/b", "other"),
        ("c", "/properties/c", "enum"),
        ("d", "/properties/d", "enum"),
    ]


def test_cycles_end() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}, "force": {"type": "boolean"}}}
    reading = read(
        {"n": {"$ref": "#/$defs/N"}, "self": {"$ref": "#/properties/self"}, "all": {"$ref": "#"}},
        **{"$defs": {"N": node}},
    )
    assert reading.problems == ()
    assert {p.path for p in reading.parameters} == {"n", "n.next", "n.force", "self", "all"}


def test_conditions_and_combinations_hold_parameters_too() -> None:
    reading = read_schema(
        {
            "type": "object",
            "allOf": [{"properties": {"a": {"type": "boolean"}}}],
            "if": {"properties": {"b": {"type": "boolean"}}},
            "then": {"properties": {"c": {"type": "boolean"}}},
            "else": {"properties": {"d": {"type": "boolean"}}},
            "additionalProperties": {"type": "boolean"},
        }
    )
    assert [p.path for p in reading.parameters] == ["*", "a", "b", "c", "d"]


@pytest.mark.parametrize("schema", [None, 7, "object", [], True])
def test_what_is_no_object_is_an_unread_problem(schema: object) -> None:
    (problem,) = read_schema(schema).problems
    assert (problem.kind, problem.unread) == (ProblemKind.BAD_SCHEMA, True)


@pytest.mark.parametrize(
    ("schema", "kind", "where", "unread"),
    [
        ({"properties": []}, ProblemKind.BAD_SCHEMA, "/properties", True),
        ({"properties": {"a": 5}}, ProblemKind.BAD_SCHEMA, "/properties/a", True),
        ({"properties": {"a": {"type": "int"}}}, ProblemKind.BAD_SCHEMA, "/properties/a/type", True),
        ({"properties": {"a": {"enum": "x"}}}, ProblemKind.BAD_SCHEMA, "/properties/a/enum", True),
        ({"properties": {"a": {"enum": ["x", "x"]}}}, ProblemKind.BAD_SCHEMA, "/properties/a/enum", False),
        ({"properties": {"a": {"enum": [1, "1", True]}}}, None, "", False),
        (
            {"properties": {"a": {"type": "string", "required": True}}},
            ProblemKind.BAD_SCHEMA,
            "/properties/a/required",
            False,
        ),
        ({"properties": {"a": {"minimum": 5, "maximum": 1}}}, ProblemKind.BAD_SCHEMA, "/properties/a/minimum", False),
        (
            {"properties": {"a": {"type": "string", "default": 5}}},
            ProblemKind.BAD_SCHEMA,
            "/properties/a/default",
            False,
        ),
        ({"properties": {"a": {"_def": {}}}}, ProblemKind.BAD_SCHEMA, "/properties/a/_def", True),
        ({"properties": {"a": {"$ref": "#/nowhere"}}}, ProblemKind.UNRESOLVED_REF, "/properties/a", True),
        ({"properties": {"a": {"$ref": "http://x/y"}}}, ProblemKind.UNRESOLVED_REF, "/properties/a", True),
        ({"properties": {}, "patternProperties": {"x": {}}}, ProblemKind.TOO_LARGE, "/patternProperties", True),
        ({"type": "array"}, ProblemKind.BAD_SCHEMA, "/type", True),
        ({}, None, "", False),
        ({"type": "object", "properties": {"a": {}, "b": True}}, None, "", False),
    ],
)
def test_what_breaks_json_schema_is_said_with_its_place(
    schema: object, kind: ProblemKind | None, where: str, unread: bool
) -> None:
    problems = read_schema(schema).problems
    if kind is None:
        assert problems == ()
        return
    (problem,) = problems
    assert (problem.kind, problem.pointer, problem.unread) == (kind, where, unread)
    assert "\n" not in problem.message


def test_the_rest_of_a_broken_schema_is_read() -> None:
    reading = read({"a": 5, "force": {"type": "boolean", "required": "yes"}})
    assert [p.path for p in reading.parameters] == ["force"]
    assert len(reading.problems) == 2


def test_depth_and_size_are_bounded_and_said() -> None:
    deep: dict[str, Any] = {"type": "boolean"}
    for _ in range(500):
        deep = {"type": "object", "properties": {"a": deep}}
    assert [p.kind for p in read_schema(deep).problems] == [ProblemKind.TOO_LARGE]
    # Each level refers twice to the next: 2 ** 20 alternatives.
    doubling = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(20)}
    bomb = {"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**doubling, "d20": {"type": "boolean"}}}
    assert ProblemKind.TOO_LARGE in [p.kind for p in read_schema(bomb).problems]
