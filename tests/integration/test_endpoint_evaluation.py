"""`fairmem eval` against OpenAI-compatible servers on the loopback interface: a model behind HTTP, and a kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fairmem.cli import main
from fairmem.eval import EvalResult
from fairmem.policy import Message, SampleRequest, open_policy
from fairmem.trace import CallFailure
from tests.unit.policy.conftest import Answer, Endpoint, completion, endpoint

__all__ = ["endpoint"]


def _replies(body: dict[str, Any]) -> Answer:
    """What an instruct model might say to each of the prompts, at once and always the same."""
    text = body["messages"][-1]["content"]
    if text.startswith("You keep a summary"):
        return completion("- Ana: she moved to Lodz.")
    if "<answer>" in text:
        return completion("<answer>no information</answer>")
    return completion("[]")


def _asked(state: Endpoint) -> list[str]:
    """The requests without the probe of each start."""
    return [json.dumps(body, sort_keys=True) for body in state.bodies if body["messages"][-1]["content"] != "Say OK."]


WORDS = ["village", "--limit", "2", "--sessions", "3", "--questions", "6", "--seed", "4", "--concurrency", "2"]


def _plain(folder: Path) -> list[dict[str, Any]]:
    """The lines of an evaluation without what the clock decides."""
    lines = [json.loads(line) for line in (folder / "eval.jsonl").read_text().splitlines()]
    for line in lines:
        line.get("answer", {}).pop("seconds", None)
    return lines


def test_an_evaluation_killed_hard_goes_on_and_repeats_only_calls_in_flight(
    tmp_path: Path,
    endpoint: Endpoint,
) -> None:
    endpoint.otherwise = lambda body: (*_replies(body)[:3], 0.02)
    words = ["eval", *WORDS, "--model", "openai:m", "--base-url", endpoint.base_url, "--memory", "summary"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    whole = _asked(endpoint)
    endpoint.bodies.clear()

    killed = tmp_path / "killed"
    environment = {**os.environ, "OPENAI_API_KEY": "x"}
    process = subprocess.Popen(
        [sys.executable, "-m", "fairmem", *words, "--out", str(killed)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    calls = killed / "calls.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (calls.is_file() and calls.read_bytes().count(b"\n") >= 5):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(_asked(endpoint))
    assert 5 <= before < len(whole), "killed in the middle"

    assert main([*words, "--out", str(killed)]) == 0
    asked = _asked(endpoint)
    assert sorted(set(asked)) == sorted(set(whole))
    assert len(asked) - len(set(asked)) <= 2  # those in flight when it was killed
    assert _plain(killed) == _plain(tmp_path / "whole")
    assert (killed / "report.md").read_text() == (tmp_path / "whole" / "report.md").read_text()


@pytest.fixture
def served(endpoint: Endpoint) -> Endpoint:
    """The bundled model, its real weights, behind the server."""
    model, lock = open_policy("bundled"), threading.Lock()

    def answer(body: dict[str, Any]) -> Answer:
        prompt = tuple(Message(message["role"], message["content"]) for message in body["messages"])
        request = SampleRequest(prompt, min(int(body["max_tokens"]), 24), float(body["temperature"]), int(body["seed"]))
        with lock:
            reply = model.sample([request])[0]
        if isinstance(reply, CallFailure):
            return 400, json.dumps({"error": {"message": reply.message}}), {}, 0.0
        return completion(reply.text)

    # One call at a time: the lock of the endpoint's bookkeeping is held while it answers.
    endpoint.otherwise = answer
    return endpoint


def test_the_table_of_memories_runs_against_a_model_behind_http(
    tmp_path: Path, served: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "village", "--limit", "1", "--sessions", "2", "--questions", "2", "--seed", "4"]
    model = ["--model", "openai:tiny", "--base-url", served.base_url]
    options = ["--memory", "none,bm25,summary,ours", "--prices", "1,2", "--out", str(tmp_path)]
    assert main([*words, *model, *options]) == 0
    out = capsys.readouterr().out
    assert "Memories on the same questions" in out and "answered by tiny" in out
    table = json.loads((tmp_path / "memories.json").read_text())
    assert list(table["memories"]) == ["none", "bm25", "summary", "ours"]
    ours = EvalResult.load(tmp_path / "ours" / "eval.jsonl")
    assert ours.header.calls > 2 and ours.header.failures == 0
    assert ours.header.cost == pytest.approx((ours.header.prompt_tokens + 2 * ours.header.reply_tokens) / 1e6)
    assert all(answer.seconds and answer.answer is not None for answer in ours.answers)
    assert (tmp_path / "memories.html").read_text().count("<circle") >= 2
    assert main(["compare", str(tmp_path / "ours"), str(tmp_path / "bm25")]) == 0


class _Hanging(BaseHTTPRequestHandler):
    """Answers the probe, and nothing after it."""

    asked, over = threading.Event(), threading.Event()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["messages"][-1]["content"] != "Say OK.":
            _Hanging.asked.set()
            _Hanging.over.wait(120)
            return
        _, text, _, _ = completion("OK")
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        return


def test_ctrl_c_does_not_wait_for_an_endpoint_that_hangs(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hanging)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    words = ["village", "--limit", "1", "--sessions", "1", "--memory", "none", "--out", str(tmp_path / "o")]
    model = ["--model", "openai:m", "--base-url", f"http://127.0.0.1:{server.server_address[1]}/v1"]
    command = [sys.executable, "-m", "fairmem", "eval", *words, *model]
    # A suite that a shell runs in the background is told to ignore Ctrl-C, and its children with it.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, heard)
    try:
        assert _Hanging.asked.wait(150), "it asked"
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130 and time.monotonic() - started < 30  # its timeout is 120 s, five times over
        assert "interrupted; no report was made; what was asked is in" in error
    finally:
        process.kill()
        process.communicate()
        _Hanging.over.set()
        server.shutdown()
        server.server_close()
