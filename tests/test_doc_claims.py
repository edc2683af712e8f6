"""What documents claim by name is there: tests, source files, recipe tables, fields of the trace."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from fairmem.config import parse_recipe
from fairmem.credit import CREDIT_RULES
from fairmem.trace import (
    TRACE_VERSION,
    Branch,
    CallFailure,
    EpisodeTree,
    Line,
    OpGain,
    OpRecord,
    QuizItem,
    RoleTurn,
    SessionReward,
)

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SOURCE = re.compile(r"`([\w/]+/\w+\.py)`")
RECIPE = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCUMENTS, ids=_named)
def test_tests_that_a_document_names_exist(path: Path) -> None:
    for file, name in TEST.findall(path.read_text(encoding="utf-8")):
        assert (ROOT / file).is_file(), f"{_named(path)} names {file}"
        functions = {n.name for n in ast.parse((ROOT / file).read_text(encoding="utf-8")).body if hasattr(n, "name")}
        assert name in functions, f"{_named(path)} names {file}::{name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=_named)
def test_source_files_that_a_document_names_exist(path: Path) -> None:
    for file in SOURCE.findall(path.read_text(encoding="utf-8")):
        places = (ROOT / file, ROOT / "src" / "fairmem" / file)
        assert any(place.is_file() for place in places), f"{_named(path)} names {file}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=_named)
def test_recipes_in_a_document_are_valid(path: Path) -> None:
    for found in RECIPE.finditer(path.read_text(encoding="utf-8")):
        parse_recipe(tomllib.loads(found[1]), where=_named(path))


def test_every_row_of_the_differences_names_a_test_and_a_file() -> None:
    text = (ROOT / "docs" / "design" / "differences.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| published code")]
    assert len(rows) > 20
    for row in rows:
        assert SOURCE.search(row) or "`seeds.py`" in row, row
        assert TEST.search(row) or row.endswith("| the same |"), row


def test_every_credit_rule_has_a_row_in_the_algorithms() -> None:
    text = (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8")
    table = text.partition("\n| rule |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(CREDIT_RULES)


@pytest.mark.parametrize(
    "record", [EpisodeTree, Branch, RoleTurn, OpRecord, Line, OpGain, QuizItem, SessionReward, CallFailure]
)
def test_the_trace_page_names_every_field_of_every_record(record: type[BaseModel]) -> None:
    text = (ROOT / "docs" / "trace-format.md").read_text(encoding="utf-8")
    assert f"version {TRACE_VERSION}" in text.splitlines()[0]
    lines = text.splitlines()
    if f"## {record.__name__}" in lines:
        part = "\n".join(lines[lines.index(f"## {record.__name__}") :]).partition("\n## ")[0]
    else:
        part = next(line for line in lines if line.startswith(f"| {record.__name__} |"))
    assert [name for name in record.model_fields if f"`{name}`" not in part] == []
