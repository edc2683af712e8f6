"""20,000 damaged schemas, and damaged replies: no crash, and nothing unread that looks clean."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from fairmem.drift.scan import Inventory, ScanReport, Severity, load_text, scan, to_json, to_page, to_sarif, to_table
from fairmem.drift.scan.confirm import ReplyOutcome, read_reply
from fairmem.drift.scan.load import read_listing
from fairmem.drift.scan.rpc import ServerFault, read_answer, read_page
from fairmem.drift.scan.tool import Hints, Place, Tool
from fairmem.policy import Sample
from fairmem.seeds import python_rng
from fairmem.trace import StopReason
from tests.unit.drift.scan.cases import BOOLEAN, scanned, tool
from tests.unit.drift.scan.sarif_subset import check

BASE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "force": {"type": "boolean", "description": "Push anyway"},
        "mode": {"anyOf": [{"enum": ["fast", "thorough"]}, {"type": "null"}], "default": None},
        "files": {"type": "array", "items": {"$ref": "#/$defs/File"}, "minItems": 1},
        "options": {"type": "object", "properties": {"retries": {"type": "integer", "minimum": 0, "maximum": 9}}},
    },
    "required": ["files"],
    "$defs": {"File": {"type": "object", "properties": {"path": {"type": "string"}, "overwrite": {"type": "boolean"}}}},
    "additionalProperties": False,
}
JUNK: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1e308,
        float("nan"),
        float("inf"),
        10**30,
        "",
        "object",
        "\ud800",
        "\x00\x1b[2J",
        "force",
    ),
    *([], {}, [None], {"": {}}, [[]], {"$ref": "#"}, {"$ref": "#/$defs/File"}, {"$ref": "#/properties/force"}),
    *({"$ref": 7}, {"type": ["boolean", 5]}, {"enum": {}}, {"properties": [1]}, {"anyOf": [{"$ref": "#"}] * 3}),
    *({"items": [{"items": [True, {"const": {}}]}]}, {"required": True}, {"default": {"a": []}}, {"if": 1, "then": {}}),
)
NAMES = (
    "force",
    "properties",
    "items",
    "$ref",
    "enum",
    "type",
    "required",
    "x" * 300,
    "a/b~c",
    "\u202e",
    "",
    "default",
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of every value in `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def mutate(value: Any, random: Random) -> tuple[Any, list[tuple[Any, ...]]]:
    """A damaged copy of `value`, and the paths that were touched."""
    value = copy.deepcopy(value)
    touched: list[tuple[Any, ...]] = []
    for _ in range(random.choice((1, 1, 2, 4))):
        path = random.choice(places(value))
        touched.append(path)
        if not path:
            value = random.choice(JUNK) if random.random() < 0.3 else value
            continue
        around = value
        for step in path[:-1]:
            around = around[step]
        kind = random.random()
        if kind < 0.55:
            around[path[-1]] = copy.deepcopy(random.choice(JUNK))
        elif kind < 0.7:
            del around[path[-1]]
        elif kind < 0.85 and isinstance(around, dict):
            around[random.choice(NAMES)] = around.pop(path[-1])
            touched.append(path[:-1])
        else:
            around[path[-1]] = {random.choice(("anyOf", "items", "not", "allOf")): [around[path[-1]]]}
    return value, touched


def written(report: ScanReport) -> None:
    """Write `report` in every form and see that each is whole."""
    assert json.loads(to_json(report))["complete"] is report.complete
    log = json.loads(to_sarif(report))
    assert check(log) == []
    assert log["runs"][0]["invocations"][0]["executionSuccessful"] is report.complete
    to_page(report).encode("utf-8")
    table = to_table(report)
    assert all(char.isprintable() or char == "\n" for char in table)
    assert ("INCOMPLETE" in table) is not report.complete


def test_20_000_damaged_schemas_are_scanned_or_said_to_be_unread() -> None:
    random = python_rng(20_260, "schemas")
    batch: list[Tool] = []
    untouched = 0
    for number in range(20_000):
        schema, touched = mutate(BASE, random)
        one = Tool("s", "push_files", "", schema, Hints(), Place("f.json", f"/{number}"))
        report = scan(Inventory("f.json", (one,), ()), threshold=Severity.LOW)
        assert report.tools == 1
        safe = ("properties", "force")
        if all(path[:2] != safe and path != safe[: len(path)] for path in touched):
            # Nothing on the way to it was touched, so it must be found whatever happened elsewhere.
            assert any(finding.pointer == "/properties/force" for finding in report.findings), schema
            untouched += 1
        if not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
            assert not report.complete and report.exit_code(Severity.LOW) != 0, schema
        assert report.parameters or not report.findings
        batch += [one] if number % 20 == 0 else []
    for start in range(0, len(batch), 250):
        written(scan(Inventory("f.json", tuple(batch[start : start + 250]), ()), threshold=Severity.LOW))
    assert len(batch) == 1_000
    assert untouched > 5_000  # the check above was made often


def test_damaged_documents_are_read_or_said_to_be_unread() -> None:
    random = python_rng(20_260, "documents")
    value = {"tools": [{"name": "push_files", "inputSchema": BASE}, {"name": "b", "inputSchema": {}}]}
    text = json.dumps(value)
    for number in range(2_000):
        if number % 2:
            start = random.randrange(len(text))
            damaged = (
                text[:start]
                + random.choice(("", "\x00", "{", "]", '"', "\n", text))
                + text[start + random.randrange(40) :]
            )
        else:
            damaged = json.dumps(mutate(value, random)[0])
        inventory = load_text(damaged, "f.json")
        report = scan(inventory)
        # What looks clean had at least one tool and nothing unread.
        assert report.complete is (bool(inventory.tools) and not any(p.unread for p in report.problems))
        assert report.exit_code(Severity.MEDIUM) != 0 or inventory.tools
        if number % 50 == 0:
            written(report)


def test_damaged_answers_of_a_server_are_a_fault_or_a_listing() -> None:
    random = python_rng(20_260, "answers")
    message = {"jsonrpc": "2.0", "id": 2, "result": {"tools": [{"name": "a", "inputSchema": BASE}], "nextCursor": "x"}}
    for _ in range(2_000):
        damaged, _ = mutate(message, random)
        try:
            tools, cursor = read_page(read_answer(damaged, "tools/list") if isinstance(damaged, dict) else {})
        except ServerFault as fault:
            assert str(fault) and "\n" not in str(fault)
            continue
        inventory = read_listing(tools, Place("live"), "s")
        assert len(inventory.tools) + len(inventory.problems) >= len(tools) and isinstance(cursor, str)
        scan(inventory)


def test_damaged_replies_of_a_model_have_an_outcome() -> None:
    random = python_rng(20_260, "replies")
    (finding,) = scanned(tool("push", {"options": {"type": "object", "properties": {"force": BOOLEAN}}})).listed
    base = {"arguments": {"options": {"force": True}, "x": [1, {"a": None}]}}
    seen: set[ReplyOutcome] = set()
    for number in range(2_000):
        text = json.dumps(mutate(base, random)[0])
        if number % 3 == 0:
            text = text[: random.randrange(len(text) + 1)]
        seen.add(read_reply(Sample("", (), (), (), text, StopReason.EOS), finding).outcome)
    assert seen == set(ReplyOutcome) - {ReplyOutcome.CALL_FAILED}
