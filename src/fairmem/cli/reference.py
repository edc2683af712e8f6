"""Reference pages made from the code: `python -m fairmem.cli.reference [cli|recipe]` prints one as Markdown.

`cli` is docs/cli.md, the help of every command; `recipe` is docs/recipe-keys.md, every key of a recipe.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from fairmem import toml
from fairmem.cli import build_parser


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser of every command that can be run, in the order of the help."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]  # pyright: ignore[reportPrivateUsage]
    if not groups:
        yield parser
    for group in groups:
        for inner in group.choices.values():
            yield from commands(inner)


def markdown() -> str:
    """docs/cli.md."""
    os.environ["COLUMNS"] = "100"  # argparse wraps its help to this
    parts = ["# Command line", "Made by `make docs` from the commands' own help; a test holds it."]
    for parser in commands(build_parser()):
        parts += [f"## {parser.prog}", f"```text\n{parser.format_help().rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


_KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}
"""JSON schema's types in words."""


def recipe_keys() -> str:
    """docs/recipe-keys.md."""
    from fairmem.config import Recipe

    schema = Recipe.model_json_schema()
    top: dict[str, Any] = {}
    sections: list[tuple[str, dict[str, Any]]] = []
    for name, field in schema["properties"].items():
        of = field.get("items", field) if name == "stages" else field
        if "$ref" in of:
            sections.append((name, schema["$defs"][of["$ref"].rsplit("/", 1)[-1]]))
        else:
            top[name] = field
    parts = [
        "# Keys of a recipe",
        "Made by `make docs` from `src/fairmem/config/`; a test holds it. A key that is left out has the default. "
        "On the command line a key is written with its section, as in `learner.lr=1e-4` or `stages.0.steps=12`.",
        _table(schema["description"].partition("\n")[0], top, ""),
    ]
    for name, section in sections:
        prefix = "stages.N." if name == "stages" else f"{name}."
        parts += [f"## {name}", _table(section["description"], section["properties"], prefix)]
    return "\n\n".join(parts) + "\n"


def _table(opening: str, fields: dict[str, Any], prefix: str) -> str:
    rows: list[str] = []
    for name, field in fields.items():
        meaning = " ".join(field["description"].replace("|", "\\|").split())
        default = _default(field, "the recipe's own" if prefix.startswith("stages") else "left out")
        rows.append(f"| `{prefix}{name}` | {_values(field)} | {default} | {meaning} |")
    return "\n".join([opening, "", "| key | values | default | meaning |", "|---|---|---|---|", *rows])


def _default(field: dict[str, Any], none: str) -> str:
    if field.get("default") is None:
        return none
    return f"`{toml.value(field['default'])}`"


def _values(field: dict[str, Any]) -> str:
    """What a field accepts, in words."""
    if "anyOf" in field:
        return " or ".join(_values(option) for option in field["anyOf"] if option.get("type") != "null")
    if "$ref" in field:
        return "tables"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{name}`" for name in field["enum"])
    if field["type"] == "array":
        items = field.get("items") or field["prefixItems"][0]
        return f"list of {_values(items)}" if "enum" not in items else f"list of: {_values(items)}"
    words: list[str] = [_KINDS[field["type"]]]
    for bound, word in (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to")):
        words += [f"{word} {field[bound]:g}"] if bound in field else []
    return " ".join(words)


PAGES: dict[str, Callable[[], str]] = {"cli": markdown, "recipe": recipe_keys}
"""Name -> page."""


if __name__ == "__main__":
    print(PAGES[(sys.argv[1:] or ["cli"])[0]](), end="")
