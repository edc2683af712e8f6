"""One line for what is wrong with a recipe: where, what was found, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, cast

from pydantic import BaseModel

from fairmem import toml
from fairmem.config.learning import StageConfig
from fairmem.config.recipe import Recipe


def place_of(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """`loc` without what pydantic appends to it to name the members of a union."""
    section: Any = Recipe
    for depth, part in enumerate(loc):
        if isinstance(part, str):
            if section is None:
                return loc[:depth]
            field = section.model_fields.get(part)
            inner = StageConfig if part == "stages" else field.annotation if field else None
            section = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return loc


def explain(loc: tuple[str | int, ...], errors: Sequence[Any]) -> str:
    """One line for what is wrong at `loc` (several errors for a union): what was found, and what was expected."""
    error = errors[0]
    where = ".".join(str(part) for part in loc)
    if error["type"] == "extra_forbidden":
        return _explain_unknown(loc)
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "missing":  # of a fixed-length list, such as learner.betas
        where, expected = ".".join(str(part) for part in loc[:-1]), "more items"
    elif error["type"] == "too_short":
        expected = f"at least {error['ctx']['min_length']} item(s)"
    elif error["type"] == "too_long":
        expected = f"at most {error['ctx']['max_length']} item(s)"
    elif error["type"] == "model_type":
        expected = "a section"
    elif error["type"] == "string_pattern_mismatch":  # name is the only field with a pattern
        expected = "letters, digits, '.', '_' and '-' (it becomes a folder)"
    else:
        expected = " or ".join(str(e["msg"]).removeprefix("Input should be ").removeprefix("a valid ") for e in errors)
    return f"{where}: found {_describe(error['input'])}, expected {expected}"


def _describe(found: object) -> str:
    if isinstance(found, dict):
        return "a section"
    names = {"bool": "boolean", "int": "integer", "float": "number", "str": "string"}
    kind = type(found).__name__
    return f"{short(found)} ({names.get(kind, kind)})"


def short(found: object) -> str:
    """`found` as a recipe would state it, in at most 60 characters."""
    text = "nothing" if found is None else toml.value(found)
    return text if len(text) <= 60 else text[:57] + "..."


def _explain_unknown(loc: tuple[str | int, ...]) -> str:
    *parents, key = loc
    section = _section_at(parents)
    valid = list(section.model_fields)
    name = ".".join(str(part) for part in parents)
    near = difflib.get_close_matches(str(key), valid, n=1)
    if not near:  # right word in the wrong section, as in `lr=1e-4` for `learner.lr`
        dotted = dict(_leaves(Recipe))
        close = difflib.get_close_matches(str(key), dotted, n=1, cutoff=0.7)
        near = [dotted[close[0]]] if close else difflib.get_close_matches(str(key), valid, n=1, cutoff=0.0)
    elif name:
        near = [f"{name}.{near[0]}"]
    full = f"{name}.{key}" if name else str(key)
    inside = f"section '{name}'" if name else "the recipe"
    return f"unknown key '{full}'; did you mean '{near[0]}'? Valid keys of {inside}: {', '.join(valid)}"


def _section_at(path: Sequence[str | int]) -> type[BaseModel]:
    section: type[BaseModel] = Recipe
    for part in path:
        if part == "stages":
            section = StageConfig
        elif isinstance(part, str):
            section = cast("type[BaseModel]", section.model_fields[part].annotation)
    return section


def _leaves(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(key, dotted key) of every plain field."""
    for name, field in section.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _leaves(annotation, f"{prefix}{name}.")
        else:
            yield name, prefix + name
