"""Reading the parameters out of an input schema, whatever shape the schema is in.

Followed: properties, items, prefixItems, additionalProperties, anyOf, oneOf, allOf, if/then/else and local `$ref`s.
Each place of a schema is read once, so cycles end. A keyword that breaks JSON Schema is a `Problem`; what it says is
left out and the rest is read. Nothing here raises because of a schema.

Simplified: `patternProperties`, `dependentSchemas`, `$dynamicRef` and `$anchor` are not followed (`UNFOLLOWED`); where
one occurs, that is a problem of the scan, not silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, cast

from fairmem.drift.scan.keywords import check_keywords
from fairmem.drift.scan.tool import JsonObject, ProblemKind, brief, pointer

Kind = Literal["boolean", "enum", "number", "text", "other"]
"""What values a parameter takes, as far as drift is concerned."""

_MAX_DEPTH = 24
_MAX_PLACES = 5_000
_UNIONS = ("anyOf", "oneOf", "allOf")
_CONDITIONS = ("if", "then", "else")
UNFOLLOWED = ("patternProperties", "dependentSchemas", "$dynamicRef")
"""Keywords that can hold parameters the scan does not see."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument, or a field of one.

    Attributes:
        name: Its own name.
        path: Its name with those of the arguments around it, as `filter.visibility` or `files[].mode`.
        pointer: Where its schema stands in the input schema.
        kind: What values it takes.
        values: Its values if they are listed, as text.
        many: It is a list of such values.
        required: It and everything around it must be given.
        default: It has a default other than null.
        bounded: A number with both a lower and an upper bound.
        description: Its description; untrusted text.
    """

    name: str
    path: str
    pointer: str
    kind: Kind
    values: tuple[str, ...]
    many: bool
    required: bool
    default: bool
    bounded: bool
    description: str


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """A place of a schema that breaks JSON Schema or was not followed. See `fairmem.drift.scan.tool.Problem`."""

    kind: ProblemKind
    message: str
    pointer: str
    unread: bool


@dataclass(frozen=True, slots=True)
class SchemaReading:
    """The parameters of a schema, in its order, and what is wrong with it."""

    parameters: tuple[Parameter, ...]
    problems: tuple[SchemaProblem, ...]


def read_schema(schema: object) -> SchemaReading:
    """The parameters of the input schema `schema` of a tool. Never raises."""
    reader = _Reader(schema)
    start = _Place("", 0)
    if not isinstance(schema, dict):
        reader.problem(ProblemKind.BAD_SCHEMA, f"the input schema is {brief(schema)}, expected an object", start)
    else:
        root = cast(JsonObject, schema)
        if "type" in root and root["type"] != "object":
            message = f"the input schema has type {brief(root['type'])}, expected 'object'"
            reader.problem(ProblemKind.BAD_SCHEMA, message, start.below("type"))
        reader.read_object(start, root)
    return SchemaReading(tuple(reader.parameters), tuple(reader.problems))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a schema stands: its pointer and how many schemas are around it."""

    pointer: str
    depth: int

    def below(self, *steps: str | int) -> _Place:
        return _Place(self.pointer + pointer(*steps), self.depth + 1)


@dataclass(slots=True)
class _Facts:
    """What the alternatives of one parameter say together."""

    kinds: set[str] = field(default_factory=set[str])
    values: list[str] = field(default_factory=list[str])
    default: bool = False
    low: bool = False
    high: bool = False
    description: str = ""
    many: bool = False
    inner: list[tuple[_Place, JsonObject, bool]] = field(default_factory=list[tuple[_Place, JsonObject, bool]])
    """Schemas with fields of their own, and whether they describe an item of a list."""

    def add(self, schema: JsonObject, *, item: bool) -> None:
        """Add what `schema` says; `item`: it describes an item of a list."""
        types = schema.get("type")
        for name in cast(list[object], types) if isinstance(types, list) else [types]:
            if isinstance(name, str) and name != "null":
                self.kinds.add("number" if name == "integer" else name)
        listed = schema.get("enum")
        values = list(cast(list[object], listed)) if isinstance(listed, list) else []
        values += [schema["const"]] if "const" in schema else []
        self.values += [value if isinstance(value, str) else brief(value) for value in values if value is not None]
        self.low |= _bound(schema, "minimum", "exclusiveMinimum")
        self.high |= _bound(schema, "maximum", "exclusiveMaximum")
        self.default |= not item and schema.get("default") is not None
        self.many |= item
        description = schema.get("description")
        if isinstance(description, str) and not self.description:
            self.description = description

    def kind(self) -> Kind:
        if "boolean" in self.kinds:
            return "boolean"
        if self.values:
            return "enum"
        return "number" if "number" in self.kinds else "text" if "string" in self.kinds else "other"


class _Reader:
    def __init__(self, root: object) -> None:
        self._root = root
        self._read: set[str] = set()
        self._around: list[str] = []
        self._places = 0
        self._full = False
        self.parameters: list[Parameter] = []
        self.problems: dict[SchemaProblem, None] = {}

    def read_object(self, place: _Place, schema: JsonObject) -> None:
        """Collect the parameters that `schema`, the input schema, has under any of its keywords."""
        for at, one in self._alternatives(place, schema):
            self._read_fields(at, one, path="", required=True)

    def _read_fields(self, at: _Place, schema: JsonObject, *, path: str, required: bool) -> None:
        names = schema.get("required")
        needed = (
            {name for name in cast(list[object], names) if isinstance(name, str)} if isinstance(names, list) else ()
        )
        properties = schema.get("properties")
        fields = [
            (at.below("properties", name), name, inner, required and name in needed)
            for name, inner in (cast(JsonObject, properties) if isinstance(properties, dict) else {}).items()
        ]
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            fields.append((at.below("additionalProperties"), "*", cast(JsonObject, more), False))
        # A definition used twice is one place to repair; of a cycle, the outermost path counts.
        new = [field for field in fields if field[0].pointer not in self._read]
        self._read.update(place.pointer for place, *_ in new)
        for place, name, inner, must in new:
            self._read_parameter(place, name, inner, path=path, required=must)

    def _read_parameter(self, place: _Place, name: str, schema: object, *, path: str, required: bool) -> None:
        if isinstance(schema, bool):
            return  # `true` says nothing, `false` forbids
        if not isinstance(schema, dict):
            self.problem(
                ProblemKind.BAD_SCHEMA, f"parameter {brief(name)} is {brief(schema)}, expected a schema", place
            )
            return
        full = f"{path}.{name}" if path else name
        facts = _Facts()
        self._collect(place, cast(JsonObject, schema), facts, item=False)
        self.parameters.append(
            Parameter(
                name=name,
                path=full,
                pointer=place.pointer,
                kind=facts.kind(),
                values=tuple(dict.fromkeys(facts.values)),
                many=facts.many,
                required=required,
                default=facts.default,
                bounded=facts.low and facts.high,
                description=facts.description,
            )
        )
        for at, inner, item in facts.inner:
            self._read_fields(at, inner, path=full + "[]" * item, required=required)

    def _collect(self, place: _Place, schema: JsonObject, facts: _Facts, *, item: bool) -> None:
        """Add to `facts` what `schema` and its alternatives say; `item`: of an item of a list."""
        for at, one in self._alternatives(place, schema):
            facts.add(one, item=item)
            if any(isinstance(one.get(key), dict) for key in ("properties", "additionalProperties")):
                facts.inner.append((at, one, item))
            items = one.get("items")
            if isinstance(items, dict):
                self._collect(at.below("items"), cast(JsonObject, items), facts, item=True)
            for key in ("items", "prefixItems"):
                for index, inner in _schemas(one, key):
                    self._collect(at.below(key, index), inner, facts, item=True)

    def _alternatives(self, place: _Place, schema: JsonObject) -> Iterator[tuple[_Place, JsonObject]]:
        """`schema`, what it refers to and what it combines, each with its place; a cycle ends where it closes."""
        if place.pointer in self._around:
            return
        self._places += 1
        if place.depth > _MAX_DEPTH or self._places > _MAX_PLACES:
            if not self._full:
                limits = f"{_MAX_DEPTH} levels or {_MAX_PLACES} places"
                self.problem(ProblemKind.TOO_LARGE, f"the schema has more than {limits}", place)
            self._full = True
            return
        self._check(place, schema)
        self._around.append(place.pointer)
        yield place, schema
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield from self._referred(place, reference)
        for key in _UNIONS:
            for index, one in _schemas(schema, key):
                yield from self._alternatives(place.below(key, index), one)
        for key in _CONDITIONS:
            if isinstance(schema.get(key), dict):
                yield from self._alternatives(place.below(key), cast(JsonObject, schema[key]))
        self._around.pop()

    def _referred(self, place: _Place, reference: str) -> Iterator[tuple[_Place, JsonObject]]:
        target = _look_up(self._root, reference)
        if isinstance(target, dict):
            yield from self._alternatives(_Place(reference[1:], place.depth + 1), cast(JsonObject, target))
        elif not isinstance(target, bool):
            self.problem(ProblemKind.UNRESOLVED_REF, f"$ref {brief(reference)} leads to nothing here", place)

    def _check(self, place: _Place, schema: JsonObject) -> None:
        for key in UNFOLLOWED:
            if schema.get(key):
                self.problem(ProblemKind.TOO_LARGE, f"the keyword '{key}' is not followed", place.below(key))
        for key, message, unread in check_keywords(schema):
            self.problem(ProblemKind.BAD_SCHEMA, message, place.below(key), unread)

    def problem(self, kind: ProblemKind, message: str, place: _Place, unread: bool = True) -> None:
        self.problems[SchemaProblem(kind, message, place.pointer, unread)] = None


def _look_up(root: object, reference: str) -> object:
    """What the local JSON pointer `reference` (`#/...`) leads to in `root`; None if nothing."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    value = root
    for step in reference.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = cast(JsonObject, value).get(key)
        elif isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 6:
            items = cast(list[object], value)
            value = items[int(key)] if int(key) < len(items) else None
        else:
            return None
    return value


def _bound(schema: JsonObject, *keys: str) -> bool:
    return any(isinstance(schema.get(key), int | float) and not isinstance(schema[key], bool) for key in keys)


def _schemas(schema: JsonObject, key: str) -> Iterator[tuple[int, JsonObject]]:
    """The schemas in the list under `key`, with their places in it."""
    several = schema.get(key)
    for index, one in enumerate(cast(list[object], several) if isinstance(several, list) else []):
        if isinstance(one, dict):
            yield index, cast(JsonObject, one)
