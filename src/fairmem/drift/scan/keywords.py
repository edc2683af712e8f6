"""Whether the keywords of one schema object are of the types JSON Schema gives them (drafts 4 to 2020-12).

Checked are the keywords that decide which arguments a tool takes. Unknown keywords are allowed, as they are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import cast

from fairmem.drift.scan.tool import JsonObject, brief

_PYTHON: dict[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "integer": (int, float),
    "number": (int, float),
    "object": dict,
    "string": str,
}
"""What `json` makes of a value of each type; 5.0 is an integer in JSON Schema."""
_TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))


def check_keywords(schema: JsonObject) -> Iterator[tuple[str, str, bool]]:
    """(keyword, what is wrong with it, whether it hides arguments) of each keyword of `schema` that is wrong."""
    for key, value in schema.items():
        entry = _EXPECTED.get(key)
        if entry is not None and not entry[0](value):
            _, expected, hides = entry
            unread = hides and not (key == "enum" and isinstance(value, list) and bool(value))  # values given twice
            yield key, f"the keyword '{key}' is {_found(value)}, expected {expected}", unread
    low, high = schema.get("minimum"), schema.get("maximum")
    if _is_number(low) and _is_number(high) and cast(float, low) > cast(float, high):
        yield "minimum", f"the minimum {brief(low)} is above the maximum {brief(high)}, so no value fits", False
    default, kind = schema.get("default"), schema.get("type")
    if default is not None and isinstance(kind, str) and kind in _PYTHON and not _is_of(default, kind):
        yield "default", f"the default {brief(default)} is not of type '{kind}'", False
    if schema and not any(key in _KNOWN for key in schema):
        first = brief(next(iter(schema)))
        yield first.strip("'"), f"none of its keywords, such as {first}, is one of JSON Schema", True


def _found(value: object) -> str:
    if isinstance(value, list):
        return f"a list with {brief(value[0])} in it" if value else "an empty list"
    return brief(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _is_size(value: object) -> bool:
    return _is_number(value) and cast(float, value) >= 0


def _is_schema(value: object) -> bool:
    return isinstance(value, dict | bool)


def _is_schemas(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_schema(one) for one in cast(list[object], value))


def _is_items(value: object) -> bool:
    return _is_schema(value) or (isinstance(value, list) and all(_is_schema(one) for one in cast(list[object], value)))


def _is_map(value: object) -> bool:
    return isinstance(value, dict)


def _is_type(value: object) -> bool:
    names = cast(list[object], value) if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name in _TYPES for name in names)


def _is_values(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    texts = [f"{type(one).__name__} {one}" for one in cast(list[object], value) if isinstance(one, str | int)]
    return len(texts) == len(set(texts))


def _is_of(value: object, kind: str) -> bool:
    return isinstance(value, _PYTHON[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in cast(list[object], value))


_EXPECTED: dict[str, tuple[Callable[[object], bool], str, bool]] = {
    "type": (_is_type, "one of the seven type names, or a list of them", True),
    "properties": (_is_map, "an object of schemas", True),
    "required": (_is_names, "a list of names", False),
    "enum": (_is_values, "a list of different values", True),
    "items": (_is_items, "a schema", True),
    "prefixItems": (_is_items, "a list of schemas", True),
    "additionalProperties": (_is_schema, "a schema, true or false", True),
    "anyOf": (_is_schemas, "a list of schemas", True),
    "oneOf": (_is_schemas, "a list of schemas", True),
    "allOf": (_is_schemas, "a list of schemas", True),
    "not": (_is_schema, "a schema", False),
    "$ref": (_is_text, "text", True),
    "$defs": (_is_map, "an object of schemas", True),
    "definitions": (_is_map, "an object of schemas", True),
    "minimum": (_is_number, "a number", False),
    "maximum": (_is_number, "a number", False),
    "exclusiveMinimum": (_is_number, "a number (the switch of draft 4 is gone)", False),
    "exclusiveMaximum": (_is_number, "a number (the switch of draft 4 is gone)", False),
    "multipleOf": (_is_number, "a number", False),
    "minLength": (_is_size, "a number from 0", False),
    "maxLength": (_is_size, "a number from 0", False),
    "minItems": (_is_size, "a number from 0", False),
    "maxItems": (_is_size, "a number from 0", False),
    "pattern": (_is_text, "text", False),
    "format": (_is_text, "text", False),
    "title": (_is_text, "text", False),
    "description": (_is_text, "text", False),
}
"""Keyword -> what it must satisfy, that in words, and whether arguments are hidden where it does not."""

_KNOWN = frozenset(_EXPECTED) | frozenset(
    [
        "$anchor",
        "$comment",
        "$dynamicAnchor",
        "$dynamicRef",
        "$id",
        "$schema",
        "$vocabulary",
        "const",
        "contains",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        "default",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "deprecated",
        "else",
        "example",
        "examples",
        "if",
        "id",
        "maxContains",
        "maxProperties",
        "minContains",
        "minProperties",
        "patternProperties",
        "propertyNames",
        "readOnly",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
        "writeOnly",
        "nullable",
        "discriminator",
    ]
)
"""Keywords of JSON Schema (and two of OpenAPI) that one meets in practice."""
