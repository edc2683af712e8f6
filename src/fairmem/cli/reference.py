"""`python -m fairmem.cli.reference`: the help of every command as Markdown, which is docs/cli.md."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

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


if __name__ == "__main__":
    print(markdown(), end="")
