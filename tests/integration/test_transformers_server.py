"""`fairmem eval` against transformers' own OpenAI-compatible server (`transformers serve`) with the bundled model."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fairmem.cli import main
from fairmem.eval import EvalResult
from fairmem.policy import folder_of

NEEDED = ("accelerate", "fastapi", "openai", "uvicorn")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} absent: pip install {' '.join(NEEDED)}"),
    pytest.mark.timeout(600),  # an import of torch each, on whatever machine,
]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of the server."""
    port, log = _free_port(), tmp_path / "server.log"
    words = ["serve", str(folder_of("bundled")), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    # The command's own entry point, whatever is on the path.
    code = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        try:
            until = time.monotonic() + 300
            while process.poll() is None and time.monotonic() < until:
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.2)
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait()


def _replies(folder: Path) -> dict[str, str]:
    """Hash of the prompt and its settings -> reply."""
    lines = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    return {line["request"].split()[-1]: line["text"] for line in lines}


def test_a_served_model_remembers_and_answers_as_the_same_model_in_process(tmp_path: Path, server: str) -> None:
    words = ["eval", "village", "--limit", "1", "--sessions", "2", "--questions", "4", "--memory", "bm25,ours"]
    served = ["--model", f"openai:{folder_of('bundled')}", "--base-url", server, "--prompts", "compact"]
    assert main([*words, *served, "--concurrency", "1", "--out", str(tmp_path / "served")]) == 0
    ours = EvalResult.load(tmp_path / "served" / "ours" / "eval.jsonl")
    assert ours.header.failures == 0 and ours.memories[0].entries > 0 and ours.memories[0].parse["manager ok"] > 0
    assert all(answer.answer for answer in ours.answers) and len(ours.answers) == 4

    # Two decoders may part where two tokens are nearly as likely, and later prompts then differ.
    assert main([*words, "--model", "bundled", "--out", str(tmp_path / "here")]) == 0
    there, here = _replies(tmp_path / "served"), _replies(tmp_path / "here")
    both = there.keys() & here.keys()
    assert len(both) >= 8
    assert sum(there[key] == here[key] for key in both) >= 0.8 * len(both)
