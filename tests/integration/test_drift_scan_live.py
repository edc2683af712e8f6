"""Scans of running servers: a process over stdio, an address over HTTP, and the servers of a client configuration."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.drift.scan import ProblemKind, Severity, load_command, load_running, load_url, scan
from fairmem.drift.scan.live import ask_command
from fairmem.errors import ConfigError, DataError
from tests.integration.mcp_server import serve

SERVER = str(Path(__file__).with_name("mcp_server.py"))


def command(mode: str) -> list[str]:
    return [sys.executable, SERVER, mode]


def test_a_process_is_asked_for_every_page_of_its_tools() -> None:
    inventory = load_command(command("good"), timeout=20)
    assert inventory.problems == ()
    assert [(tool.server, tool.name) for tool in inventory.tools] == [("small", "push_files"), ("small", "get_user")]
    report = scan(inventory)
    assert [(f.tool, f.parameter, f.effect) for f in report.listed] == [("push_files", "force", "destroys")]


@pytest.mark.parametrize(
    ("mode", "kind", "message"),
    [
        ("dies", ProblemKind.SERVER_FAILED, "the server ended; its last words: 'out of memory'"),
        ("silent", ProblemKind.SERVER_FAILED, "no answer in time"),
        ("noisy", ProblemKind.SERVER_FAILED, "the server wrote 'Listening ...', which is not JSON"),
        ("empty", ProblemKind.NO_TOOLS, "lists no tool"),
    ],
)
def test_a_process_that_fails_is_an_incomplete_scan(mode: str, kind: ProblemKind, message: str) -> None:
    begun = time.monotonic()
    report = scan(load_command(command(mode), timeout=1.5 if mode == "silent" else 20))
    assert time.monotonic() - begun < 15
    assert (report.problems[0].kind, report.complete) == (kind, False)
    assert message in report.problems[0].message
    assert report.exit_code(Severity.MEDIUM) == 3


def test_a_program_that_is_not_there_is_an_incomplete_scan() -> None:
    (problem, _) = scan(load_command(["/no/such/program"])).problems
    assert problem.kind is ProblemKind.SERVER_FAILED and "cannot be started" in problem.message


def test_a_server_sees_its_own_variables_and_no_keys_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "ours")
    shows = [sys.executable, "-c", "import os, sys; sys.exit(os.environ.get('TOKEN', 'none') + os.environ['OWN'])"]
    assert ask_command(shows, env={"OWN": "!"}, timeout=20).fault.endswith("its last words: 'none!'")


@pytest.mark.parametrize("mode", ["json", "events"])
def test_an_address_is_asked_for_its_tools(mode: str) -> None:
    with serve(mode) as (url, seen):
        inventory = load_url(f"{url}?key=s3cret", timeout=20)
    assert inventory.problems == () and len(inventory.tools) == 2
    assert inventory.source == url  # what stands after the question mark may be a key
    assert "Mcp-Session-Id" not in seen[0] and seen[-1]["Mcp-Session-Id"] == "abc"
    assert all(headers["MCP-Protocol-Version"] == "2025-06-18" for headers in seen)


def test_an_address_that_refuses_or_is_not_there_is_an_incomplete_scan() -> None:
    with serve("refuses") as (url, _):
        refused = scan(load_url(url, timeout=20))
    gone = scan(load_url(url, timeout=5))
    wrong = scan(load_url("ftp://x", timeout=5))
    assert "HTTP 401: the server wants authorisation" in refused.problems[0].message
    assert "ConnectError" in gone.problems[0].message
    assert "expected http:// or https://" in wrong.problems[0].message
    assert not refused.complete and not gone.complete and not wrong.complete


def test_the_servers_of_a_configuration_are_run_only_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "claude_desktop_config.json"
    with serve("events") as (url, seen):
        servers = {
            "local": {"command": sys.executable, "args": [SERVER, "good"], "env": {"TOKEN": "t"}},
            "remote": {"url": url, "headers": {"Authorization": "Bearer b"}},
            "asks": {"url": "https://x.test/${input:key}"},
        }
        file.write_text(json.dumps({"mcpServers": servers}))
        assert main(["drift", "scan", str(file)]) == 3
        assert seen == []
        assert "was not asked for its tools; --run-servers does" in capsys.readouterr().out
        assert main(["drift", "scan", str(file), "--run-servers", "--format", "json"]) == 1
        assert seen[0]["Authorization"] == "Bearer b"
    report = json.loads(capsys.readouterr().out)
    assert [(f["server"], f["tool"]) for f in report["findings"]] == [("local", "push_files"), ("remote", "push_files")]
    assert report["complete"] is False  # the third server could not be asked
    assert [(p["kind"], p["server"]) for p in report["problems"]] == [("server_not_run", "asks")]


def test_the_command_line_scans_a_process_and_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", "scan", "--stdio", shlex.join(command("good"))]) == 1
    assert "push_files" in capsys.readouterr().out
    with serve("json") as (url, _):
        assert main(["drift", "scan", "--url", url, "--format", "sarif"]) == 1
    log = json.loads(capsys.readouterr().out)
    assert log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == url


def test_bad_arguments_are_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_command([])
    with pytest.raises(ConfigError):
        load_url("http://127.0.0.1:9/mcp", timeout=0)
    plain = tmp_path / "tools.json"
    plain.write_text("[]")
    with pytest.raises(DataError, match="no client configuration"):
        load_running(plain)
