from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.drift.scan import ProblemKind, load_path, load_text
from fairmem.drift.scan.load import parse_json, without_comments
from fairmem.errors import DataError

SCHEMA = {"type": "object", "properties": {}}
TOOL = {"name": "t", "inputSchema": SCHEMA}


@pytest.mark.parametrize(
    ("value", "pointer", "server"),
    [
        (TOOL, "/inputSchema", ""),
        ([TOOL], "/0/inputSchema", ""),
        ({"tools": [TOOL]}, "/tools/0/inputSchema", ""),
        ({"jsonrpc": "2.0", "id": 1, "result": {"tools": [TOOL]}}, "/result/tools/0/inputSchema", ""),
        ({"server": "s", "tools": [TOOL]}, "/tools/0/inputSchema", "s"),
        ([{"server": "s", "tools": [TOOL]}], "/0/tools/0/inputSchema", "s"),
        ({"tool": "t", "server": "s", "server_id": "i", "inputSchema": SCHEMA}, "/inputSchema", "i"),
        ({"name": "t", "input_schema": SCHEMA}, "/input_schema", ""),
        ({"type": "function", "function": {"name": "t", "parameters": SCHEMA}}, "/function/parameters", ""),
    ],
)
def test_a_tool_is_found_in_every_known_form(value: object, pointer: str, server: str) -> None:
    inventory = load_text(json.dumps(value), "f.json")
    assert inventory.problems == ()
    (tool,) = inventory.tools
    assert (tool.name, tool.server, tool.schema, tool.place.pointer) == ("t", server, SCHEMA, pointer)


def test_jsonl_keeps_line_numbers_and_goes_on_after_a_broken_line() -> None:
    text = "\n".join([json.dumps(TOOL), "", "{broken", json.dumps({**TOOL, "name": "u"}), "7"])
    inventory = load_text(text, "f.jsonl")
    assert [(tool.name, tool.place.line) for tool in inventory.tools] == [("t", 1), ("u", 4)]
    assert [(p.kind, p.place.line, p.unread) for p in inventory.problems] == [
        (ProblemKind.UNREADABLE_LINE, 3, True),
        (ProblemKind.NOT_A_TOOL, 5, True),
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", ProblemKind.UNREADABLE_LINE),
        ("   \n ", ProblemKind.UNREADABLE_LINE),
        ("hello", ProblemKind.UNREADABLE_LINE),
        ("[" * 200_000, ProblemKind.UNREADABLE_LINE),
        ('{"a": ' + "1" * 6000 + "}", ProblemKind.UNREADABLE_LINE),
        ("null", ProblemKind.NOT_A_TOOL),
        ("7", ProblemKind.NOT_A_TOOL),
        ('{"name": "t"}', ProblemKind.NO_SCHEMA),
        ('{"inputSchema": {}}', ProblemKind.NOT_A_TOOL),
        ('{"tools": "none"}', ProblemKind.NOT_A_TOOL),
        ("[[[[[[1]]]]]]", ProblemKind.NOT_A_TOOL),
    ],
)
def test_what_is_not_understood_is_a_problem_and_never_raises(text: str, kind: ProblemKind) -> None:
    inventory = load_text(text, "f")
    assert inventory.tools == ()
    assert [problem.kind for problem in inventory.problems] == [kind]
    assert all(problem.unread and "\n" not in problem.message for problem in inventory.problems)


def test_an_empty_list_has_no_tools_and_no_problem_of_its_own() -> None:
    inventory = load_text("[]", "f")
    assert (inventory.tools, inventory.problems) == ((), ())  # `scan` then says that nothing was judged


def test_a_name_listed_twice_is_said_and_both_are_kept() -> None:
    inventory = load_text(json.dumps([TOOL, TOOL]), "f")
    assert len(inventory.tools) == 2
    assert [(p.kind, p.unread) for p in inventory.problems] == [(ProblemKind.DUPLICATE_TOOL, False)]


def test_annotations_are_read_if_they_are_booleans() -> None:
    tool = {**TOOL, "annotations": {"readOnlyHint": True, "destructiveHint": "no"}}
    (found,) = load_text(json.dumps(tool), "f").tools
    assert (found.hints.read_only, found.hints.destructive) == (True, None)


def test_comments_and_trailing_commas_are_taken_out_and_lines_stay() -> None:
    text = '{ // who\n "a": "// no comment", /* x\n y */ "b": [1, 2,],\n}'
    plain = without_comments(text)
    assert json.loads(plain) == {"a": "// no comment", "b": [1, 2]}
    assert plain.count("\n") == text.count("\n")


def test_a_file_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_path(tmp_path / "none.json")


def test_a_file_below_the_working_folder_is_named_relatively(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "t.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(TOOL).encode())
    monkeypatch.chdir(tmp_path)
    inventory = load_path(tmp_path / "sub" / "t.json")
    assert (inventory.source, len(inventory.tools)) == ("sub/t.json", 1)


def test_why_a_text_is_not_json_fits_in_a_line() -> None:
    assert str(parse_json("{")) == "Expecting property name enclosed in double quotes: line 1 column 2"
    assert str(parse_json("[" * 200_000)) == "nested too deeply"
