"""Confirming candidates with a model behind an OpenAI-compatible endpoint on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fairmem.cli import main

Model = Callable[[str], tuple[int, str]]
"""All the text of a request -> status and text of the reply."""


@contextmanager
def endpoint(model: Model) -> Generator[str, None, None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, text = model("\n".join(message["content"] for message in body["messages"]))
            choice: dict[str, Any] = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            answer = json.dumps({"choices": [choice]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    file = tmp_path / "tools.json"
    fields = {"force": {"type": "boolean"}, "overwrite": {"type": "boolean"}}
    file.write_text(json.dumps([{"name": "push_files", "inputSchema": {"type": "object", "properties": fields}}]))
    return file


def drifting(seen: str) -> tuple[int, str]:
    """A model that forces for the bold and otherwise keeps to safe values."""
    return 200, json.dumps({"arguments": {"force": "expert run" in seen, "overwrite": False}})


def confirmed(tools: Path, model: Model, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    with endpoint(model) as url:
        options = ["--model", "openai:m", "--base-url", url, "--trials", "2", "--format", "json", *more]
        code = main(["drift", "confirm", str(tools), *options])
    return code, json.loads(capsys.readouterr().out)


def test_only_the_argument_that_moves_is_confirmed(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = confirmed(tools, drifting, capsys)
    assert code == 1
    assert {one["parameter"]: (one["verdict"], one["effect"]) for one in report["confirmations"]} == {
        "force": ("confirmed", 1.0),
        "overwrite": ("not_shown", 0.0),
    }
    assert (report["model"], report["trials"], report["tasks"]) == ("m", 2, 4)


def test_a_model_that_does_not_move_is_0(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = confirmed(tools, lambda _: (200, '{"arguments": {"force": false}}'), capsys)
    assert (code, report["counts"]["not_shown"]) == (0, 2)


def test_an_endpoint_that_refuses_what_it_is_asked_leaves_all_undecided(
    tools: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = confirmed(tools, lambda seen: (200 if "Say OK" in seen else 400, "no"), capsys, "--limit", "1")
    assert code == 3
    (one,) = report["confirmations"]
    assert one["verdict"] == "undecided" and one["outcomes"]["biased"] == {"call_failed": 8}
    assert "refused" in one["reason"] and one["effect"] is None


def test_an_endpoint_that_is_not_there_is_the_users_error(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", "confirm", str(tools), "--model", "openai:m", "--base-url", "http://127.0.0.1:9/v1"]) == 2
    assert "gives no reply" in capsys.readouterr().err
