from __future__ import annotations

import json

import pytest

from fairmem.drift.scan import ProblemKind, Severity, load_text, scan, to_json
from fairmem.drift.scan.client_config import read_servers, unfilled

CLAUDE = {"mcpServers": {"files": {"command": "npx", "args": ["-y", "files", "/data"], "env": {"KEY": "s3cret"}}}}


@pytest.mark.parametrize(
    ("config", "command", "url"),
    [
        (CLAUDE, ("npx", "-y", "files", "/data"), ""),
        ({"servers": {"files": {"type": "http", "url": "https://x.test/mcp"}}, "inputs": []}, (), "https://x.test/mcp"),
        ({"mcp": {"servers": {"files": {"command": "run"}}}}, ("run",), ""),
        ({"mcpServers": {"files": {"serverUrl": "https://x.test/mcp"}}}, (), "https://x.test/mcp"),
        ({"context_servers": {"files": {"command": {"path": "run", "args": ["a"]}}}}, ("run", "a"), ""),
    ],
)
def test_servers_are_read_from_the_files_of_known_clients(config: object, command: tuple[str, ...], url: str) -> None:
    servers, _, problems = read_servers(config, "c.json")
    assert problems == []
    (server,) = servers
    assert (server.name, server.command, server.url) == ("files", command, url)


def test_without_running_it_a_configuration_is_an_incomplete_scan_that_shows_no_secret() -> None:
    report = scan(load_text(json.dumps(CLAUDE), "c.json"))
    assert [p.kind for p in report.problems] == [ProblemKind.SERVER_NOT_RUN, ProblemKind.NO_TOOLS]
    assert report.exit_code(Severity.MEDIUM) == 3
    assert "s3cret" not in to_json(report)


def test_automatic_approval_is_a_finding_and_of_everything_a_high_one() -> None:
    config = {
        "mcpServers": {
            "some": {"command": "a", "autoApprove": ["write_file", "read_file"]},
            "every": {"command": "a", "alwaysAllow": ["*"]},
            "none": {"command": "a", "autoApprove": []},
            "off": {"command": "a", "autoApprove": ["x"], "disabled": True},
        }
    }
    report = scan(load_text(json.dumps(config, indent=1), "c.json"))
    assert [(f.rule, f.server, f.severity, f.values) for f in report.findings] == [
        ("MDS020", "every", Severity.HIGH, ()),
        ("MDS020", "some", Severity.MEDIUM, ("write_file", "read_file")),
    ]
    # Line 1 "{", 2 "mcpServers", 3 "some", 4 "command", 5 "autoApprove".
    assert json.loads(to_json(report))["findings"][1]["location"]["line"] == 5


@pytest.mark.parametrize(
    "entry", [7, {}, {"command": ""}, {"command": "a", "args": "b"}, {"command": "a", "args": [1]}, {"url": 5}]
)
def test_an_entry_that_is_not_understood_is_a_problem(entry: object) -> None:
    servers, _, problems = read_servers({"mcpServers": {"x": entry}}, "c.json")
    assert servers == []
    assert [(p.kind, p.unread, p.place.pointer) for p in problems] == [(ProblemKind.BAD_CONFIG, True, "/mcpServers/x")]


def test_a_list_of_servers_with_tools_is_no_configuration() -> None:
    value = {"servers": {"a": {"tools": []}}, "tools": [{"name": "t", "inputSchema": {}}]}
    assert len(load_text(json.dumps(value), "f").tools) == 1


def test_variables_that_only_the_client_fills_are_seen() -> None:
    servers, _, _ = read_servers({"servers": {"x": {"command": "a", "args": ["--key", "${input:key}"]}}}, "c.json")
    assert unfilled(servers[0]) == "${input:key}"
