"""A small server for a model folder that takes and gives token ids, as vLLM's `/v1/completions` does.

    python -m fairmem.policy.token_server FOLDER --port 8000 [--threads 1]

For tests without a GPU, and for machines with a few cores: one process per core samples faster than one process with
all of them. It draws tokens as the in-process policy does, so the same seed and weights give the same ids.
Besides completions it serves vLLM's `POST /collective_rpc` with the method `reload_weights`, `POST
/reset_prefix_cache` and `GET /health`; it tells the version of its weights in every answer (`weight_version`).

Requests that wait together are decoded together. Simplified: a batch runs to its end before the next one starts, and
it listens on the loopback interface only.
"""

from __future__ import annotations

import argparse
import json
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fairmem.errors import FairmemError
from fairmem.policy.base import SampleRequest
from fairmem.policy.calls import loads
from fairmem.policy.model_folder import check_folder, read_about
from fairmem.policy.torch_setup import import_torch

if TYPE_CHECKING:
    from fairmem.policy.hf import HFPolicy

_ROWS = 64
"""Most requests decoded together."""
_GATHER = 0.005
"""Seconds to wait for more requests once one is there."""

Answer = tuple[int, dict[str, Any]]
"""HTTP status and body; an entry `headers` of the body is sent as headers instead."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request in the queue: `done` is set once `answer` is there."""

    prompt: list[int]
    request: SampleRequest
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer = (500, {})


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512  # a client opens all its connections at once; the default of 5 would reset some


class TokenServer:
    """Serves one model from a thread until it is closed; use it in a `with` statement.

    Attributes:
        base_url: Its address, up to and with `/v1`.
        version: Of its weights: `weight_version` in the folder's `fairmem.json`, else how often they were loaded again.
        batches: Rows of each batch decoded so far.
    """

    def __init__(self, folder: Path, *, port: int = 0, rows: int = _ROWS) -> None:
        """Open the model in `folder` and begin to serve.

        Raises:
            ModelError: the folder cannot be used.
        """
        self._folder, self._rows = folder, rows
        self._policy = _opened(folder)
        self.version = _version_in(folder, 0)
        self.batches: list[int] = []
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._weights = threading.Lock()
        self._http = _Http(("127.0.0.1", port), _handler(self))
        self.root = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.base_url = f"{self.root}/v1"
        self._threads = [
            threading.Thread(target=self._decode, daemon=True),
            threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> TokenServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self) -> None:
        """Serve until the process is told to stop."""
        self._threads[1].join()

    def close(self) -> None:
        """Stop serving."""
        self._queue.put(None)
        self._http.shutdown()
        self._http.server_close()
        for thread in self._threads:
            thread.join()

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        """The answer to one POST; a subclass may do otherwise, to try out what a client does then."""
        if path == "/v1/completions":
            return self._complete(body)
        if path == "/collective_rpc":
            return self._call(body)
        if path == "/reset_prefix_cache":  # there is no such cache here
            return 200, {}
        return 404, _error(f"{path} is not served here")

    def _complete(self, body: dict[str, Any]) -> Answer:
        prompt: Any = body.get("prompt")
        if not isinstance(prompt, list) or not prompt or not all(isinstance(token, int) for token in prompt):
            return 400, _error("'prompt' should be a list of token ids")
        ids = cast("list[int]", prompt)
        most = int(body.get("max_tokens") or 16)
        context = self._policy.context
        if context is not None and len(ids) + most > context:
            return 400, _error(f"maximum context length is {context} tokens, {len(ids)} + {most} were asked for")
        if body.get("prompt_logprobs") is not None:
            return self._score(ids)
        request = SampleRequest((), most, float(body.get("temperature") or 0.0), int(body.get("seed") or 0))
        waiting = _Waiting(ids, request)
        self._queue.put(waiting)
        waiting.done.wait()
        return waiting.answer

    def _score(self, ids: list[int]) -> Answer:
        with self._weights:
            (scores,) = self._policy.score([ids[:1]], [ids[1:]])
        places = [None, *({str(token): {"logprob": score}} for token, score in zip(ids[1:], scores, strict=True))]
        choice = {"index": 0, "text": "", "finish_reason": "length", "prompt_logprobs": places}
        return 200, {"object": "text_completion", "choices": [choice], "weight_version": self.version}

    def _call(self, body: dict[str, Any]) -> Answer:
        if body.get("method") != "reload_weights":
            return 400, _error("the only method is reload_weights")
        given: Any = body.get("kwargs")
        named = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        folder = Path(str(named.get("weights_path") or self._folder))
        try:
            loaded = _opened(folder)
        except FairmemError as error:
            return 500, _error(str(error))
        with self._weights:
            self._policy = loaded
            self.version = _version_in(folder, self.version + 1)
        return 200, {"results": [None]}

    def _decode(self) -> None:
        """Take what waits, decode it together, answer, and again."""
        torch = import_torch()
        from fairmem.policy.decode import decode

        while (batch := self._next()) is not None:
            with self._weights, torch.no_grad():
                drawn = decode(
                    self._policy.model.eval(), [one.prompt for one in batch], [one.request for one in batch],
                    self._policy.eos,
                )  # fmt: skip
                version = self.version
            self.batches.append(len(batch))
            for one, (ids, logprobs) in zip(batch, drawn, strict=True):
                one.answer = 200, _completion(one.prompt, ids, logprobs, ids[-1] in self._policy.eos, version)
                one.done.set()

    def _next(self) -> list[_Waiting] | None:
        batch: list[_Waiting] = []
        while len(batch) < self._rows:
            try:
                one = self._queue.get(timeout=_GATHER if batch else None)
            except queue.Empty:
                break
            if one is None:
                return None
            batch.append(one)
        return batch


def _opened(folder: Path) -> HFPolicy:
    check_folder(folder)  # before torch is loaded, which takes longer than to say that a folder is none
    from fairmem.policy.hf import HFPolicy

    return HFPolicy.from_folder(folder, device="cpu", dtype="float32")


def _version_in(folder: Path, otherwise: int) -> int:
    told = read_about(folder).get("weight_version")
    return told if isinstance(told, int) else otherwise


def _completion(
    prompt: Sequence[int], ids: Sequence[int], logprobs: Sequence[float], ended: bool, version: int
) -> dict[str, Any]:
    choice = {
        "index": 0,
        "text": "",
        "finish_reason": "stop" if ended else "length",
        "logprobs": {"tokens": [f"token_id:{token}" for token in ids], "token_logprobs": list(logprobs)},
        "token_ids": list(ids),
        "prompt_token_ids": list(prompt),
    }
    usage = {"prompt_tokens": len(prompt), "completion_tokens": len(ids), "total_tokens": len(prompt) + len(ids)}
    return {"object": "text_completion", "choices": [choice], "usage": usage, "weight_version": version}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"}}


def _handler(server: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._send(200, {"version": server.version})

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body: Any = loads(raw.decode("utf-8", "replace")) if raw else {}
            if not isinstance(body, dict):
                self._send(400, _error("the body is no JSON object"))
                return
            self._send(*server.answer(self.path.partition("?")[0], cast("dict[str, Any]", body)))

        def _send(self, status: int, content: dict[str, Any]) -> None:
            headers: dict[str, str] = content.pop("headers", {})
            text = json.dumps(content).encode()
            try:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except (BrokenPipeError, ConnectionResetError):
                return  # the client stopped waiting

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler


def main() -> None:
    """Serve the folder named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m fairmem.policy.token_server", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    try:
        check_folder(arguments.folder)
        import_torch().set_num_threads(arguments.threads)
        with TokenServer(arguments.folder, port=arguments.port) as server:
            print(f"{server.base_url} serves {arguments.folder}", flush=True)
            server.wait()
    except (FairmemError, OSError) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
