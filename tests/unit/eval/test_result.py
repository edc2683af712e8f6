from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.errors import CheckpointError
from fairmem.eval import EvalResult
from tests.unit.eval.build import result


def test_a_saved_evaluation_loads_as_it_was(tmp_path: Path) -> None:
    found = result([[1.0, None], [0.25, 0.5]])
    found.save(tmp_path / "deep" / "eval.jsonl")
    assert EvalResult.load(tmp_path / "deep" / "eval.jsonl") == found
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["eval.jsonl"]


def test_the_first_line_names_format_and_version(tmp_path: Path) -> None:
    result([[1.0]]).save(tmp_path / "eval.jsonl")
    first = (tmp_path / "eval.jsonl").read_text().splitlines()[0]
    assert first.startswith('{"format": "fairmem-eval", "version": 1, ')


def test_an_absent_evaluation_says_who_writes_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"eval\.jsonl: no such evaluation; `fairmem train`"):
        EvalResult.load(tmp_path / "eval.jsonl")


@pytest.mark.parametrize(
    ("line", "text", "complaint"),
    [
        (1, '{"format": "fairmem-eval", "version": 2}', "line 1 is no fairmem-eval header of version 1"),
        (1, "[]", "line 1 is damaged"),
        (1, "{", "line 1 is damaged"),
        (2, '{"memory": {"conversation": "c0"}}', "line 2 is damaged"),
        (3, '{"answer": null}', "line 3 is damaged"),
        (3, "7", "line 3 is damaged"),
        (3, '"memory"', "line 3 is damaged"),
        (3, '{"reply": {}}', "line 3 is damaged"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: int, text: str, complaint: str) -> None:
    path = tmp_path / "eval.jsonl"
    result([[1.0]]).save(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[: line - 1], text, *lines[line:]]) + "\n")
    with pytest.raises(CheckpointError, match=complaint):
        EvalResult.load(path)


def test_an_empty_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "eval.jsonl"
    path.write_text("")
    with pytest.raises(CheckpointError, match="empty; an evaluation starts with"):
        EvalResult.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match="cannot be read as an evaluation"):
        EvalResult.load(path)
