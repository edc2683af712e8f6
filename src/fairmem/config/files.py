"""Recipes as files: finding, loading, saving and comparing them."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from fairmem import toml
from fairmem.config.explain import explain, place_of, short
from fairmem.config.overrides import put
from fairmem.config.recipe import Recipe
from fairmem.errors import ConfigError
from fairmem.replace import replace_text

RESOLVED = "recipe.toml"
"""Name of the resolved recipe in a run's folder."""
CHECKPOINTS = "checkpoints"
"""Name of the folder of checkpoints in a run's folder."""


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe at `source`, a TOML file or the name of a shipped recipe, with `key=value` overrides applied.

    Raises:
        ConfigError: no such recipe, not TOML, an unknown key, or a value of the wrong type or out of range.
    """
    path = find_recipe(source)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_recipe(data, overrides, where=str(path))


def parse_recipe(data: dict[str, Any], overrides: Sequence[str] = (), where: str = "recipe") -> Recipe:
    """The recipe in `data`, the content of a TOML file; `where` names it in errors. `data` is not changed."""
    data = json.loads(json.dumps(data, default=str))
    _validate(data, where)  # so that a fault of the file is not blamed on an override
    for override in overrides:
        put(data, override)
    return _validate(data, f"{where} with overrides" if overrides else where)


def find_recipe(source: str | Path) -> Path:
    """The file of a recipe given as a path or by the name of a shipped one.

    Raises:
        ConfigError: neither a file nor the name of a shipped recipe.
    """
    path = Path(source)
    if path.is_file():
        return path
    shipped = shipped_recipes()
    if str(source) in shipped:
        return shipped[str(source)]
    near = difflib.get_close_matches(path.stem, shipped, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    names = ", ".join(shipped) or "none"
    raise ConfigError(f"{source}: no such recipe file, nor a shipped recipe{hint} (shipped: {names})")


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of the recipes that come with fairmem."""
    here = Path(__file__).resolve()
    # A wheel carries them inside the package; a checkout keeps them at its root.
    folders = (here.parents[1] / "recipes", here.parents[3] / "recipes")
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.toml"))}


def save_resolved(recipe: Recipe, path: Path) -> None:
    """Write `recipe` with every default spelled out to `path` as TOML; `load_recipe(path)` gives it back."""
    replace_text(path, toml.dumps(recipe.model_dump(mode="json", exclude_none=True)))


def differences(old: Recipe, new: Recipe) -> list[str]:
    """One text per value that differs, as `learner.lr: 0.1 there, 0.2 here`."""
    before, after = (dict(_values(recipe.model_dump(mode="json"))) for recipe in (old, new))
    return [
        f"{key}: {short(before.get(key))} there, {short(after.get(key))} here"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


ROUNDING = ("learner.pack_tokens", "learner.micro_tokens")
"""Keys that decide how rows are laid out for the learner: losses and gradients are equal but for the last digits."""


def changed(stored: Mapping[str, Any], recipe: Recipe) -> list[str]:
    """Settings that `recipe` has otherwise than a run whose recipe was stored as `stored`, one text for each.

    Args:
        stored: `Recipe.model_dump(mode="json")`, with or without `name` and `seed`, of this version or an earlier one.
        recipe: The recipe to hold against it. Keys that it has and `stored` has not were added since, and stand at what
            was always done; those of `ROUNDING` do not count either.
    """
    then, now = dict(_values(dict(stored))), dict(_values(recipe.model_dump(mode="json")))
    if "stages" in stored:
        then["stages"], now["stages"] = len(stored["stages"]), len(recipe.stages)
    return [
        f"{key}: {short(value)} there, {short(now.get(key))} here"
        for key, value in then.items()
        if key not in ROUNDING and (key not in now or now[key] != value)
    ]


def _validate(data: dict[str, Any], where: str) -> Recipe:
    try:
        # From JSON, so that strict checking still takes TOML's arrays for tuples.
        return Recipe.model_validate_json(json.dumps(data))
    except ValidationError as error:
        errors: dict[tuple[str | int, ...], list[Any]] = {}
        for found in error.errors(include_url=False):
            errors.setdefault(place_of(found["loc"]), []).append(found)
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        place, first = next(iter(errors.items()))
        raise ConfigError(f"{where}: {explain(place, first)}{more}") from error


def _values(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every value below `data`; list members are counted from 0."""
    for name, item in data.items():
        if isinstance(item, dict):
            yield from _values(cast("dict[str, Any]", item), f"{prefix}{name}.")
        elif name == "stages":
            for index, stage in enumerate(item):
                yield from _values(stage, f"{prefix}{name}.{index}.")
        else:
            yield prefix + name, item
