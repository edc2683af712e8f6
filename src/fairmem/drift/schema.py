"""Tool schemas: what a JSON pointer names in one, and whether a value fits it.

Simplified: the keywords that describe tool parameters (type, enum, const, bounds, lengths, required, properties,
items, additionalProperties, multipleOf, anyOf, oneOf, allOf); others, `$ref` among them, are not looked at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

Schema = Mapping[str, Any]
"""A JSON schema, as it was read."""

MISSING = object()
"""Marks a value that is not there; null is a value."""

_MAX_DEPTH = 24
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def parameter(schema: Schema, pointer: str) -> Schema | None:
    """The schema of the parameter that `pointer` (as "/limits/seconds") names; None if there is none."""
    found: Any = schema
    for name in parts(pointer):
        properties = found.get("properties") if isinstance(found, Mapping) else None
        if not isinstance(properties, Mapping) or name not in properties:
            return None
        found = properties[name]
    return cast(Schema, found) if isinstance(found, Mapping) else None


def parts(pointer: str) -> tuple[str, ...]:
    """The names in a JSON pointer (RFC 6901), unescaped."""
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:])


def value_at(arguments: Mapping[str, Any], pointer: str) -> Any:
    """The argument that `pointer` names, or `MISSING`."""
    found: Any = arguments
    for name in parts(pointer):
        if not isinstance(found, Mapping) or name not in found:
            return MISSING
        found = found[name]
    return found


def as_key(value: Any) -> str:
    """A scalar as the text that cost tables and enumerations use: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def misfits(value: Any, schema: Schema, where: str = "", depth: int = 0) -> list[str]:
    """Why `value` does not fit `schema`, one line each; empty if it does. Never raises, whatever either holds."""
    if depth > _MAX_DEPTH:
        return [f"{where or '/'}: nested deeper than {_MAX_DEPTH}"]
    place = where or "/"
    found = _type_misfits(value, schema, place)
    if found:
        return found
    enum = schema.get("enum")
    if isinstance(enum, list) and not any(_equal(value, option) for option in enum):
        found.append(f"{place}: {_shown(value)} is none of {_shown(enum)}")
    if "const" in schema and not _equal(value, schema["const"]):
        found.append(f"{place}: {_shown(value)} is not {_shown(schema['const'])}")
    found += _bound_misfits(value, schema, place)
    if isinstance(value, Mapping):
        found += _object_misfits(cast(Mapping[str, Any], value), schema, where, depth)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, Mapping):
        for i, item in enumerate(cast(list[Any], value)):
            found += misfits(item, cast(Schema, items), f"{where}/{i}", depth + 1)
    return found + _combined_misfits(value, schema, where, depth)


def _type_misfits(value: Any, schema: Schema, place: str) -> list[str]:
    wanted = schema.get("type")
    names: list[Any] = wanted if isinstance(wanted, list) else [wanted]
    known = [name for name in names if isinstance(name, str)]
    if isinstance(value, float) and not math.isfinite(value):
        return [f"{place}: {value} is not a finite number"]
    if not known or any(_is(value, name) for name in known):
        return []
    return [f"{place}: {_shown(value)} is not of type {' or '.join(known)}"]


def _is(value: Any, name: str) -> bool:
    if name == "integer":
        return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value % 1 == 0))
    if name not in _TYPES:
        return True
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _bound_misfits(value: Any, schema: Schema, place: str) -> list[str]:
    found: list[str] = []
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        for keyword, wrong in (
            ("minimum", lambda bound: value < bound),
            ("maximum", lambda bound: value > bound),
            ("exclusiveMinimum", lambda bound: value <= bound),
            ("exclusiveMaximum", lambda bound: value >= bound),
        ):
            bound = _number(schema.get(keyword))
            if bound is not None and wrong(bound):
                found.append(f"{place}: {_shown(value)} breaks {keyword} {bound:g}")
        step = _number(schema.get("multipleOf"))
        if step and abs(value / step - round(value / step)) > 1e-9:
            found.append(f"{place}: {_shown(value)} is no multiple of {step:g}")
    for kind, low, high in ((str, "minLength", "maxLength"), (list, "minItems", "maxItems")):
        if isinstance(value, kind):
            least, most = _number(schema.get(low)), _number(schema.get(high))
            if least is not None and len(value) < least:
                found.append(f"{place}: {len(value)} is below {low} {least:g}")
            if most is not None and len(value) > most:
                found.append(f"{place}: {len(value)} is above {high} {most:g}")
    return found


def _object_misfits(value: Mapping[str, Any], schema: Schema, where: str, depth: int) -> list[str]:
    found: list[str] = []
    required = schema.get("required")
    for name in required if isinstance(required, list) else []:
        if name not in value:
            found.append(f"{where or '/'}: '{name}' is missing")
    properties = schema.get("properties")
    known: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
    for name, item in value.items():
        inner = known.get(name)
        if isinstance(inner, Mapping):
            found += misfits(item, cast(Schema, inner), f"{where}/{name}", depth + 1)
        elif schema.get("additionalProperties") is False:
            found.append(f"{where or '/'}: '{name}' is not a parameter")
    return found


def _combined_misfits(value: Any, schema: Schema, where: str, depth: int) -> list[str]:
    found: list[str] = []
    for keyword in ("anyOf", "oneOf", "allOf"):
        listed = schema.get(keyword)
        options: list[Schema] = [o for o in listed if isinstance(o, Mapping)] if isinstance(listed, list) else []
        fits = [not misfits(value, option, where, depth + 1) for option in options]
        if keyword == "allOf" and not all(fits):
            found.append(f"{where or '/'}: {_shown(value)} does not fit allOf")
        elif keyword != "allOf" and fits and not any(fits):
            found.append(f"{where or '/'}: {_shown(value)} fits none of {keyword}")
    return found


def _equal(value: Any, other: Any) -> bool:
    # In JSON true is not 1.
    return isinstance(value, bool) == isinstance(other, bool) and value == other


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
